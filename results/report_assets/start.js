"use strict";
/* Everything above begins here; without scripts the page stays a page of tables and pictures. */

{
  document.documentElement.classList.add("scripted");
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const canTurn = hasWebgl();
  startTables();
  startModels(data.structures, canTurn);
  startDos(data.dos);
  startBands(data.bands, data.structures, canTurn);
}
