"""A hub on loopback, small enough to read: what pulls and pushes need, with storage on an address of its own.

    hub.py ROOT [--card OWNER/NAME=FOLDER]... [--faults SHARE] [--seed N]

Prints its address. ROOT is where pushed files are kept. With --faults that share of storage's answers is cut, reset,
stalled or has a byte changed. GET /_count tells what happened: requests by method, breaks, bytes, and whether anybody
but the hub ever saw a token.
"""

import argparse
import base64
import hashlib
import json
import os
import random
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".bin")


class Card:
    """A repository: files by path, each a local file, and their hashes."""

    def __init__(self, files=()):
        self.files = {}
        for path, place in files:
            self.add(path, place)

    def add(self, path, place):
        size = os.path.getsize(place)
        git, sha = hashlib.sha1(b"blob %d\0" % size), hashlib.sha256()
        with open(place, "rb") as file:
            while chunk := file.read(1 << 22):
                git.update(chunk)
                sha.update(chunk)
        name = sha.hexdigest() if path.endswith(LARGE) else git.hexdigest()
        self.files[path] = (place, size, git.hexdigest(), sha.hexdigest(), name)

    @property
    def commit(self):
        text = json.dumps({path: file[4] for path, file in sorted(self.files.items())})
        return hashlib.sha1(text.encode()).hexdigest()


class World:
    cards, objects, count, lock = {}, {}, {"breaks": 0, "bytes": 0, "leaks": 0}, threading.Lock()
    root = share = chance = None

    @classmethod
    def note(cls, what, number=1):
        with cls.lock:
            cls.count[what] = cls.count.get(what, 0) + number


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def answer(self, status, value=None, **headers):
        body = b"" if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def send_file(self, place, size, breaks=False, **headers):
        start = 0
        if wanted := self.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            if start >= size:
                return self.answer(416, Content_Range=f"bytes */{size}")
            headers["Content_Range"] = f"bytes {start}-{size - 1}/{size}"
        self.send_response(206 if wanted else 200)
        for name, text in {"Content-Length": str(size - start), "Accept-Ranges": "bytes", **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.flush()
        end, kind = size, None
        with World.lock:
            if breaks and World.chance.random() < World.share:
                kind = World.chance.choice(["cut", "reset", "stall", "changed"])
                end = World.chance.randint(start, size - 1)
        with open(place, "rb") as file:
            sent = self.connection.sendfile(file, start, end - start) if end > start else 0
            World.note("bytes", sent)
            if kind == "changed":
                file.seek(end)
                rest = bytearray(file.read())
                rest[0] ^= 1
                self.wfile.write(rest)
        if kind:
            World.note("breaks")
            World.note(kind)
        if kind in ("cut", "reset", "stall"):
            if kind == "stall":
                time.sleep(1.5)
            if kind == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client):
        """A client that was killed, or that has heard enough, is no error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client)


class Hub(Handler):
    def card(self, parts):
        return World.cards.get("/".join(parts))

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        World.note(self.command)
        parts = [unquote(part) for part in urlsplit(self.path).path.split("/")[1:]]
        if parts == ["_count"]:
            return self.answer(200, World.count)
        if parts == ["api", "whoami-v2"]:
            return self.answer(200, {"name": "me", "auth": {"accessToken": {"role": "write"}}})
        is_api = parts[:2] == ["api", "models"]
        rest = parts[2:] if is_api else parts
        card = self.card(rest[:2])
        if card is None:
            return self.answer(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        if is_api and rest[2:3] == ["tree"]:
            return self.answer(200, [self.entry(path, file) for path, file in sorted(card.files.items())])
        if is_api:
            names = [{"rfilename": path} for path in sorted(card.files)]
            # What old clients want to know besides.
            besides = {"downloads": 0, "likes": 0, "tags": [], "disabled": False, "private": False, "gated": False}
            return self.answer(200, {"id": "/".join(rest[:2]), "sha": card.commit, "siblings": names, **besides})
        path = "/".join(rest[4:])
        if rest[2:3] != ["resolve"] or path not in card.files:
            return self.answer(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound", X_Repo_Commit=card.commit)
        place, size, _, sha, name = card.files[path]
        if not path.endswith(LARGE):
            return self.send_file(place, size, ETag=f'"{name}"', X_Repo_Commit=card.commit)
        World.objects[sha] = (place, size)
        return self.answer(
            302, Location=f"{World.storage}/{sha}?signed", X_Linked_Size=str(size), X_Linked_ETag=f'"{sha}"',
            ETag=f'"{name}"', X_Repo_Commit=card.commit)

    @staticmethod
    def entry(path, file):
        _, size, git, sha, _ = file
        entry = {"type": "file", "path": path, "size": size, "oid": git}
        return {**entry, "lfs": {"oid": sha, "size": size, "pointerSize": 130}} if path.endswith(LARGE) else entry

    def do_POST(self):
        World.note("POST")
        parts = [unquote(part) for part in urlsplit(self.path).path.split("/")[1:]]
        body = self.body()
        if parts[:2] == ["api", "repos"]:
            wanted = json.loads(body)
            World.cards.setdefault(f"{wanted['organization']}/{wanted['name']}", Card())
            return self.answer(200, {"url": "there"})
        if parts[:2] == ["api", "validate-yaml"]:
            return self.answer(200, {})
        if parts[-2:] == ["objects", "batch"]:
            wanted = json.loads(body)["objects"][0]
            if wanted["oid"] not in World.objects:
                wanted["actions"] = {"upload": {"href": f"{World.storage}/{wanted['oid']}?signed"}}
            return self.answer(200, {"transfer": "basic", "objects": [wanted]})
        card = self.card(parts[2:4])
        if parts[4] == "preupload":
            return self.answer(200, {"files": [self.offer(card, file["path"]) for file in json.loads(body)["files"]]})
        if parts[4] == "paths-info":
            there = [path for path in json.loads(body)["paths"] if path in card.files]
            return self.answer(200, [self.entry(path, card.files[path]) for path in there])
        World.note("commits")
        for line in body.splitlines():
            line = json.loads(line)
            value = line["value"]
            if line["key"] == "file":
                place = f"{World.root}/{hashlib.sha1(value['content'].encode()).hexdigest()}"
                with open(place, "wb") as file:
                    file.write(base64.b64decode(value["content"]))
                card.add(value["path"], place)
            elif line["key"] == "lfsFile":
                card.add(value["path"], World.objects[value["oid"]][0])
        return self.answer(200, {"success": True, "commitOid": card.commit, "commitUrl": "there"})

    @staticmethod
    def offer(card, path):
        offer = {"path": path, "uploadMode": "lfs" if path.endswith(LARGE) else "regular", "shouldIgnore": False}
        return {**offer, "oid": card.files[path][4]} if path in card.files else offer


class Storage(Handler):
    def do_GET(self):
        World.note("storage")
        if self.headers.get("Authorization"):
            World.note("leaks")
            return self.answer(400)
        place, size = World.objects[urlsplit(self.path).path[1:]]
        return self.send_file(place, size, breaks=True, ETag='"another"')

    def do_PUT(self):
        World.note("PUT")
        if self.headers.get("Authorization"):
            World.note("leaks")
        name = urlsplit(self.path).path[1:]
        place, left, digest = f"{World.root}/{name}", int(self.headers["Content-Length"]), hashlib.sha256()
        size = left
        with open(place, "wb") as file:
            while left and (chunk := self.rfile.read(min(left, 1 << 20))):
                left -= len(chunk)
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != name:
            return self.answer(400, b"BadDigest")
        World.objects[name] = (place, size)
        return self.answer(200, ETag='"x"')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--card", action="append", default=[])
    parser.add_argument("--faults", type=float, default=0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    World.root, World.share, World.chance = given.root, given.faults, random.Random(given.seed)
    for card in given.card:
        name, folder = card.split("=", 1)
        found = [
            (os.path.relpath(os.path.join(top, file), folder), os.path.join(top, file))
            for top, _, files in os.walk(folder) for file in files
        ]
        World.cards[name] = Card(found)
    for server in (hub := Server(("127.0.0.1", 0), Hub), storage := Server(("127.0.0.2", 0), Storage)):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    World.storage = f"http://127.0.0.2:{storage.server_port}"
    print(f"http://127.0.0.1:{hub.server_port}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
