"""A MongoDB stand-in for the tests: mongomock behind MongoDB's wire protocol, one lock, no disk.

FireWorks' own client talks to it over TCP as it talks to a server (MongoDB manual, "Wire
Protocol": OP_QUERY for the first hello, OP_MSG for everything after). Started as a script; prints
the port it listens on.
"""

import socketserver
import struct
import sys
import threading
from datetime import UTC, datetime

import bson
import mongomock
from bson.codec_options import CodecOptions

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
CLIENT = mongomock.MongoClient()
LOCK = threading.Lock()
OPTIONS = CodecOptions(tz_aware=False)
HELLO = {
    "ismaster": True,
    "isWritablePrimary": True,
    "maxBsonObjectSize": 16 * 1024 * 1024,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
}


def batch(database, name, documents):
    return {"cursor": {"id": 0, "ns": f"{database}.{name}", "firstBatch": list(documents)}}


def find(collection, command):
    cursor = collection.find(command.get("filter") or {}, command.get("projection") or None)
    if command.get("sort"):
        cursor = cursor.sort(list(command["sort"].items()))
    cursor = cursor.skip(command.get("skip", 0)).limit(abs(command.get("limit", 0)))
    return cursor


def insert(collection, command):
    collection.insert_many(command["documents"])
    return {"n": len(command["documents"])}


def update(collection, command):
    n = modified = 0
    upserted = []
    for index, one in enumerate(command["updates"]):
        document, upsert = one["u"], one.get("upsert", False)
        if not next(iter(document), "$").startswith("$"):
            done = collection.replace_one(one["q"], document, upsert)
        elif one.get("multi"):
            done = collection.update_many(one["q"], document, upsert)
        else:
            done = collection.update_one(one["q"], document, upsert)
        n += done.matched_count or int(done.upserted_id is not None)
        modified += done.modified_count or 0
        if done.upserted_id is not None:
            upserted.append({"index": index, "_id": done.upserted_id})
    reply = {"n": n, "nModified": modified}
    return reply | ({"upserted": upserted} if upserted else {})


def delete(collection, command):
    n = 0
    for one in command["deletes"]:
        remove = collection.delete_one if one.get("limit") else collection.delete_many
        n += remove(one["q"]).deleted_count
    return {"n": n}


def find_and_modify(collection, command):
    options = {"projection": command.get("fields"), "sort": list(command.get("sort", {}).items())}
    options["sort"] = options["sort"] or None
    if command.get("remove"):
        return {"value": collection.find_one_and_delete(command["query"], **options)}
    options |= {
        "upsert": command.get("upsert", False),
        "return_document": bool(command.get("new", False)),
    }
    replaces = not next(iter(command["update"]), "$").startswith("$")
    modify = collection.find_one_and_replace if replaces else collection.find_one_and_update
    return {"value": modify(command["query"], command["update"], **options)}


def answer(command):
    name = next(iter(command))
    database = command.get("$db", "admin")
    if name in ("hello", "ismaster", "isMaster"):
        return HELLO | {"localTime": datetime.now(UTC)}
    if name in ("ping", "endSessions", "buildInfo", "killCursors", "createIndexes", "create"):
        return {}
    if name in ("saslStart", "saslContinue"):  # it knows no users, so every password is wrong
        raise PermissionError("Authentication failed.")
    if name == "dropDatabase":
        CLIENT.drop_database(database)
        return {}
    collection = CLIENT[database][command[name]]
    if name == "find":
        return batch(database, command[name], find(collection, command))
    if name == "aggregate":
        return batch(database, command[name], collection.aggregate(command["pipeline"]))
    if name == "count":
        return {"n": collection.count_documents(command.get("query") or {})}
    if name == "distinct":
        return {"values": collection.distinct(command["key"], command.get("query") or {})}
    if name == "drop":
        collection.drop()
        return {}
    known = {
        "insert": insert,
        "update": update,
        "delete": delete,
        "findAndModify": find_and_modify,
    }
    return known[name](collection, command)


def reply_to(command):
    try:
        with LOCK:
            return answer(command) | {"ok": 1.0}
    except PermissionError as error:
        return {"ok": 0.0, "errmsg": str(error), "code": 18, "codeName": "AuthenticationFailed"}
    except Exception as error:
        return {"ok": 0.0, "errmsg": f"{type(error).__name__}: {error}", "code": 59}


def read_message(body):
    """Return the command of an OP_MSG, its document sequences put where they belong."""
    command, place = {}, 4
    while place < len(body):
        kind, place = body[place], place + 1
        size = struct.unpack_from("<i", body, place)[0]
        if kind == 0:
            command |= bson.decode(body[place : place + size], OPTIONS)
        else:
            end = body.index(b"\0", place + 4)
            name = body[place + 4 : end].decode()
            command[name] = bson.decode_all(body[end + 1 : place + size], OPTIONS)
        place += size
    return command


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while header := self.rfile.read(16):
            length, request, _, code = struct.unpack("<iiii", header)
            body = self.rfile.read(length - 16)
            if code == OP_QUERY:
                end = body.index(b"\0", 4)
                reply = bson.encode(reply_to(bson.decode(body[end + 9 :], OPTIONS)))
                payload, kind = struct.pack("<iqii", 8, 0, 0, 1) + reply, OP_REPLY
            else:
                payload = struct.pack("<iB", 0, 0) + bson.encode(reply_to(read_message(body)))
                kind = OP_MSG
            self.wfile.write(struct.pack("<iiii", 16 + len(payload), 0, request, kind) + payload)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)
        sys.exit(server.serve_forever())
