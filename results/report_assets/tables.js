"use strict";
/* Tables that sort by a click on a heading, a filter over rows, and what is unfolded for print. */

function cellKey(row, column, kind) {
  const cell = row.cells[column];
  const text = cell.dataset.value ?? cell.textContent.trim();
  if (kind !== "number") return text;
  return text === "" || Number.isNaN(Number(text)) ? null : Number(text);
}

function compareKeys(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null); // missing ones stay below
  if (typeof a === "number") return sign * (a - b);
  return sign * a.localeCompare(b, "en", { numeric: true });
}

function sortTable(heading) {
  const table = heading.closest("table");
  const column = heading.cellIndex;
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  const sign = ascending ? 1 : -1;
  const kind = heading.dataset.kind;
  const rows = Array.from(table.tBodies[0].rows, (row) => [cellKey(row, column, kind), row]);
  rows.sort((one, other) => compareKeys(one[0], other[0], sign));
  table.tBodies[0].append(...rows.map((pair) => pair[1]));
  for (const other of table.tHead.rows[0].cells) {
    if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  }
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
}

function filterRows(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  let all = 0;
  for (const table of document.querySelectorAll("table.filtered")) {
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
      all += 1;
    }
  }
  return wanted.length ? `${shown} of ${all} numbers` : "";
}

/* Print unfolds what a reader of paper needs; what is for the screen alone stays folded. */
function unfoldForPrint() {
  const folded = [];
  window.addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not([open]):not(.screen):not(.live)")) {
      folded.push(part);
      part.open = true;
    }
  });
  window.addEventListener("afterprint", () => {
    while (folded.length) folded.pop().open = false;
  });
}

function startTables() {
  for (const button of document.querySelectorAll("table.sortable button.sort")) {
    button.addEventListener("click", () => sortTable(button.closest("th")));
  }
  const filter = document.getElementById("filter");
  if (filter) {
    const words = document.getElementById("filter-words");
    filter.addEventListener("input", () => {
      words.textContent = filterRows(filter.value);
    });
  }
  unfoldForPrint();
}
