# A Redis client in Python, without any library, for a node that serves Redis clients; redis-cli and every Redis
# library do the same.
#
# It shows: values with a time to live, a stream of changes that any node has made, and a counter under a lock. INCR is
# not offered, for nodes that count at the same time would lose each other's counts; under a lock there is one at a
# time, and what one writes who has lost the lock meanwhile is refused.
#
#   minikv serve --memory --discovery none --public cities --resp 127.0.0.1:6380 --resp-db 0=cities
#   python3 examples/resp/client.py watch 'de/*'         # in another terminal; until Ctrl-C
#   python3 examples/resp/client.py put de/hamburg 1.9M 60
#   python3 examples/resp/client.py get de/hamburg
#   python3 examples/resp/client.py count visits
#
# MINIKV_RESP is the address of the node, 127.0.0.1:6380 by default.
import os
import socket
import sys
import time


class Refused(Exception):
    """An error that the node answered; its text says what to do."""


class Client:
    """One connection. Not for several threads at a time."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.input = self.socket.makefile("rb")

    def call(self, *words):
        """Send a command and return its answer: bytes, a number, None or a list of these."""
        self.send(*words)
        return self.answer()

    def send(self, *words):
        out = [b"*%d\r\n" % len(words)]
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(word), word))
        self.socket.sendall(b"".join(out))

    def answer(self):
        line = self.input.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the node has closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Refused(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        length = int(rest)
        if length < 0:
            return None
        if kind == b"$":
            return self.input.read(length + 2)[:-2]
        return [self.answer() for _ in range(length)]


def put(client, key, value, seconds=None):
    client.call("SET", key, value, *(["EX", seconds] if seconds else []))


def get(client, key):
    value = client.call("GET", key)
    if value is None:
        sys.exit(3)  # as minikv does
    print(value.decode(errors="replace"))


def watch(client, pattern):
    """Print what happens to the keys, on whatever node; of an entry that is written, its value as well."""
    reader = Client(address)
    client.socket.settimeout(None)
    client.call("PSUBSCRIBE", "__keyspace@0__:" + pattern)
    print("watching", flush=True)
    while True:
        _, _, channel, event = client.answer()
        key = channel.partition(b":")[2]
        value = reader.call("GET", key) if event == b"set" else None
        print(event.decode(), key.decode(errors="replace"), (value or b"").decode(errors="replace"), flush=True)


def count(client, key):
    """Add one to a number that other clients, also of other nodes, count as well."""
    token = lock(client, key)
    try:
        number = int(client.call("GET", key) or 0) + 1
        client.call("UNDER", token, "SET", key, number)
    finally:
        client.call("UNLOCK", key, token)
    print(number)


def lock(client, key, milliseconds=5000, patience=30):
    until = time.monotonic() + patience
    while True:
        try:
            return client.call("LOCK", key, milliseconds)
        except Refused as e:
            if not str(e).startswith("LOCKED") or time.monotonic() > until:
                raise
        time.sleep(0.02)


if __name__ == "__main__":
    address = os.environ.get("MINIKV_RESP", "127.0.0.1:6380")
    commands = {"put": put, "get": get, "watch": watch, "count": count}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit("usage: client.py put KEY VALUE [SECONDS] | get KEY | watch PATTERN | count KEY")
    try:
        commands[sys.argv[1]](Client(address), *sys.argv[2:])
    except KeyboardInterrupt:
        pass
    except (Refused, OSError) as e:
        sys.exit(f"client.py: {e}")
