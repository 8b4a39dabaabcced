#!/usr/bin/env python3
"""`bantam serve` as Python's http.client sees it: right bytes, ranges, types and headers, no way out of the folder, plain
errors, and an end at Ctrl-C."""
import gzip
import hashlib
import http.client
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from bantam_cli import BANTAM, run
from bundle_edits import FIXTURES, convert, files_of

FOLDER = tempfile.TemporaryDirectory()
BUNDLE = pathlib.Path(FOLDER.name) / "bundle"
LIB = pathlib.Path(FOLDER.name) / "lib"
GRAPH = "onnx/model_q4.onnx"


def setUpModule():
    convert(FIXTURES / "bert-text-classification-tokenizer", BUNDLE, "--dtype", "fp32,q4", "--compress", "gzip,zstd")
    (pathlib.Path(FOLDER.name) / "secret.txt").write_text("secret")
    LIB.mkdir()
    (LIB / "transformers.web.js").write_text("export {};\n")
    (LIB / "index.html").write_text("<!doctype html><title>lib</title>\n")


def tearDownModule():
    FOLDER.cleanup()


def start(*arguments, **options):
    """A running server and its port, which it printed."""
    process = subprocess.Popen([BANTAM, "serve", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    line = process.stdout.readline()
    match = re.search(r"http://([\w.\[\]:]+):(\d+)/", line)
    if not match:
        process.kill()
        raise AssertionError((line, process.communicate()))
    return process, int(match[2])


def stop(process):
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.process, cls.port = start(BUNDLE, "--port", "0", "--mount", f"/lib={LIB}")

    @classmethod
    def tearDownClass(cls):
        result = stop(cls.process)
        assert result == (0, "", ""), result

    def ask(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.addCleanup(connection.close)
        connection.putrequest(method, path, skip_accept_encoding=True, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
        return response, body

    def raw(self, request, leave=False):
        """What comes back for these very bytes; `leave`: and nothing else will be sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            if leave:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer


class Files(Case):
    def test_every_file_comes_as_it_is(self):
        for name in files_of(BUNDLE):
            with self.subTest(name):
                response, body = self.ask(f"/{name}")
                self.assertEqual(response.status, 200)
                self.assertEqual(body, (BUNDLE / name).read_bytes())
                self.assertEqual(response.getheader("Content-Length"), str(len(body)))
                self.assertIsNone(response.getheader("Content-Encoding"))

    def test_headers_that_threads_and_caches_need(self):
        response, body = self.ask(f"/{GRAPH}")
        for name, value in {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp",
                            "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-cache",
                            "X-Content-Type-Options": "nosniff", "Accept-Ranges": "bytes"}.items():
            self.assertEqual(response.getheader(name), value)
        self.assertEqual(response.getheader("ETag"), f'"{hashlib.sha256(body).hexdigest()}"')

    def test_types(self):
        for name, kind in {"config.json": "application/json", GRAPH: "application/octet-stream", f"{GRAPH}_data": "application/octet-stream",
                           "README.md": "text/markdown; charset=utf-8", "SHA256SUMS": "text/plain; charset=utf-8",
                           "lib/transformers.web.js": "text/javascript; charset=utf-8"}.items():
            self.assertEqual(self.ask(f"/{name}")[0].getheader("Content-Type"), kind)
        (LIB / "ort.mjs").write_text("//")
        (LIB / "ort.wasm").write_bytes(b"\0asm")
        self.assertEqual(self.ask("/lib/ort.mjs")[0].getheader("Content-Type"), "text/javascript; charset=utf-8")
        self.assertEqual(self.ask("/lib/ort.wasm")[0].getheader("Content-Type"), "application/wasm")

    def test_head(self):
        response, body = self.ask(f"/{GRAPH}", "HEAD")
        self.assertEqual((response.status, body), (200, b""))
        self.assertEqual(response.getheader("Content-Length"), str((BUNDLE / GRAPH).stat().st_size))
        self.assertEqual(self.ask("/nothing", "HEAD")[0].status, 404)

    def test_kept_files_are_not_sent_again(self):
        tag = self.ask("/config.json")[0].getheader("ETag")
        for header in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            response, body = self.ask("/config.json", If_None_Match=header)
            self.assertEqual((response.status, body, response.getheader("ETag")), (304, b"", tag))
            self.assertEqual(response.getheader("Content-Length"), str((BUNDLE / "config.json").stat().st_size))
        self.assertEqual(self.ask("/config.json", If_None_Match='"other"')[0].status, 200)

    def test_a_file_that_changed_has_another_tag(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "b"
            convert(FIXTURES / "bert-text-classification-tokenizer", path, "--dtype", "q4")
            process, self.port = start(path, "--port", "0")
            try:
                before = self.ask("/config.json")[0].getheader("ETag")
                time.sleep(1.1)
                (path / "config.json").write_bytes((path / "config.json").read_bytes().replace(b"bert", b"bart"))
                after = self.ask("/config.json")[0].getheader("ETag")
                self.assertTrue(after.startswith('W/"'), after)
                self.assertNotEqual(before, after)
            finally:
                stop(process)

    def test_tags_when_the_bundle_is_replaced(self):
        def tag_and_body(**headers):
            response, body = self.ask("/config.json", **headers)
            return response.status, response.getheader("ETag"), body

        with tempfile.TemporaryDirectory() as folder:
            path, other = pathlib.Path(folder) / "b", pathlib.Path(folder) / "other"
            convert(FIXTURES / "bert-text-classification-tokenizer", path, "--dtype", "q4")
            convert(FIXTURES / "bert-token-classification-tokenizer", other, "--dtype", "q4")
            process, self.port = start(path, "--port", "0")
            try:
                _, before, old = tag_and_body()
                # Another bundle in its place, as convert --force puts it there.
                path.rename(pathlib.Path(folder) / "away")
                other.rename(path)
                status, after, new = tag_and_body(If_None_Match=before)
                self.assertEqual((status, new), (200, (path / "config.json").read_bytes()))
                self.assertEqual(after, f'"{hashlib.sha256(new).hexdigest()}"')
                self.assertNotEqual(old, new)
                # A file that was made long ago in the place of one of the list.
                (path / "config.json").unlink()
                (path / "config.json").write_bytes(old)
                os.utime(path / "config.json", (1, 1))
                self.assertEqual(tag_and_body(If_None_Match=after)[0::2], (200, old))
                self.assertEqual(self.ask("/config.json", Range="bytes=0-3", If_Range=after)[0].status, 200)
                # Once it is settled, it has a strong tag of its own.
                time.sleep(2.1)
                self.assertEqual(tag_and_body()[1], f'"{hashlib.sha256(old).hexdigest()}"')
                self.assertEqual(self.ask("/config.json", Range="bytes=0-3", If_Range=f'"{hashlib.sha256(old).hexdigest()}"')[0].status, 206)
            finally:
                stop(process)

    def test_one_request_per_connection(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        for name in ("config.json", "tokenizer.json", GRAPH):  # http.client connects again where it is told to
            connection.request("GET", f"/{name}")
            response = connection.getresponse()
            self.assertEqual(response.getheader("Connection"), "close")
            self.assertEqual(response.read(), (BUNDLE / name).read_bytes())
        connection.close()
        # What a page sends as the body of a request is not read as another request.
        hidden = b"GET /config.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        answer = self.raw(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden)
        self.assertEqual((answer.count(b"HTTP/1.1 405 "), answer.count(b"HTTP/1.1 ")), (1, 1))

    def test_many_at_once(self):
        expected = (BUNDLE / f"{GRAPH}_data").read_bytes()
        wrong = []

        def fetch():
            for _ in range(5):
                if self.ask(f"/{GRAPH}_data")[1] != expected:
                    wrong.append(1)
        threads = [threading.Thread(target=fetch) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


class Ranges(Case):
    def test_parts(self):
        data = (BUNDLE / GRAPH).read_bytes()
        size = len(data)
        for header, part in (("bytes=0-0", slice(0, 1)), ("bytes=5-9", slice(5, 10)), (f"bytes={size - 3}-", slice(size - 3, size)),
                             ("bytes=-4", slice(size - 4, size)), ("bytes=10-999999999", slice(10, size)),
                             ("bytes=0-", slice(0, size)), ("bytes=-999999999", slice(0, size)), ("BYTES=1-2", slice(1, 3))):
            with self.subTest(header):
                response, body = self.ask(f"/{GRAPH}", Range=header)
                self.assertEqual((response.status, body), (206, data[part]))
                self.assertEqual(response.getheader("Content-Range"), f"bytes {part.start}-{part.stop - 1}/{size}")
                self.assertEqual(response.getheader("Content-Length"), str(len(body)))

    def test_parts_that_are_not_there(self):
        size = (BUNDLE / GRAPH).stat().st_size
        for header in (f"bytes={size}-", f"bytes={size + 5}-{size + 9}", "bytes=-0"):
            response, body = self.ask(f"/{GRAPH}", Range=header)
            self.assertEqual((response.status, response.getheader("Content-Range")), (416, f"bytes */{size}"))
            self.assertNotIn(b"<", body)

    def test_what_is_no_range_is_ignored(self):
        for header in ("bytes=9-5", "bytes=a-b", "lines=1-2", "bytes=", "bytes=-", "bytes=1-2,4-5", "bytes=--1",
                       "bytes=0-99999999999999999999999"):
            response, body = self.ask(f"/{GRAPH}", Range=header)
            self.assertEqual((response.status, body), (200, (BUNDLE / GRAPH).read_bytes()), header)

    def test_a_part_of_the_version_that_the_client_has(self):
        tag = self.ask(f"/{GRAPH}")[0].getheader("ETag")
        self.assertEqual(self.ask(f"/{GRAPH}", Range="bytes=1-2", If_Range=tag)[0].status, 206)
        response, body = self.ask(f"/{GRAPH}", Range="bytes=1-2", If_Range='"another"')
        self.assertEqual((response.status, body), (200, (BUNDLE / GRAPH).read_bytes()))


class Twins(Case):
    def test_are_sent_to_those_who_accept_them(self):
        data = (BUNDLE / GRAPH).read_bytes()
        response, body = self.ask(f"/{GRAPH}", Accept_Encoding="gzip, deflate")
        self.assertEqual((response.getheader("Content-Encoding"), gzip.decompress(body)), ("gzip", data))
        self.assertEqual(body, (BUNDLE / f"{GRAPH}.gz").read_bytes())
        self.assertEqual(response.getheader("Content-Type"), "application/octet-stream")
        response, body = self.ask(f"/{GRAPH}", Accept_Encoding="gzip, zstd, br")
        self.assertEqual((response.getheader("Content-Encoding"), body), ("zstd", (BUNDLE / f"{GRAPH}.zst").read_bytes()))
        tags = {self.ask(f"/{GRAPH}", Accept_Encoding=coding)[0].getheader("ETag") for coding in ("identity", "gzip", "zstd")}
        self.assertEqual(len(tags), 3)
        for accepted in ("gzip, zstd", "identity"):
            self.assertEqual(self.ask(f"/{GRAPH}", Accept_Encoding=accepted)[0].getheader("Vary"), "Accept-Encoding")
        self.assertIsNone(self.ask("/config.json", Accept_Encoding="gzip")[0].getheader("Content-Encoding"))

    def test_but_not_to_others(self):
        data = (BUNDLE / GRAPH).read_bytes()
        for headers in ({"Accept_Encoding": "br"}, {"Accept_Encoding": "gzip;q=0, zstd;q=0.000"}, {"Accept_Encoding": "xgzip"}, {}):
            response, body = self.ask(f"/{GRAPH}", **headers)
            self.assertEqual((response.getheader("Content-Encoding"), body), (None, data), headers)

    def test_nor_for_ranges(self):
        response, body = self.ask(f"/{GRAPH}", Accept_Encoding="gzip, zstd", Range="bytes=0-9")
        self.assertEqual((response.status, response.getheader("Content-Encoding"), body), (206, None, (BUNDLE / GRAPH).read_bytes()[:10]))


class Refusals(Case):
    def test_what_is_not_there_is_plain_text(self):
        for path in ("/nothing", "/onnx", "/onnx/", "/", "/onnx/model_q8.onnx", "/config.json/", "/config.json/x", "//config.json", "/./config.json"):
            with self.subTest(path):
                response, body = self.ask(path)
                self.assertEqual((response.status, response.getheader("Content-Type")), (404, "text/plain; charset=utf-8"))
                self.assertNotIn(b"<", body)
                self.assertEqual(response.getheader("Cross-Origin-Embedder-Policy"), "require-corp")

    def test_no_way_out(self):
        (BUNDLE / "link.txt").symlink_to(pathlib.Path(FOLDER.name) / "secret.txt")
        (BUNDLE / "up").symlink_to(pathlib.Path(FOLDER.name))
        (BUNDLE / "inside.json").symlink_to("config.json")
        self.addCleanup((BUNDLE / "link.txt").unlink)
        self.addCleanup((BUNDLE / "up").unlink)
        self.addCleanup((BUNDLE / "inside.json").unlink)
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/onnx/../../secret.txt", "/lib/../../secret.txt",
                     "/lib/..%2f..%2fsecret.txt", "/link.txt", "/up/secret.txt", "/..\\secret.txt", "//etc/passwd", "/%2fetc/passwd",
                     "/lib/%2e%2e/bundle/config.json"):
            with self.subTest(path):
                response, body = self.ask(path)
                self.assertEqual(response.status, 404)
                self.assertNotIn(b"secret\n", body)
        self.assertEqual(self.ask("/inside.json")[1], (BUNDLE / "config.json").read_bytes())

    def test_other_methods(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
            response, _ = self.ask("/config.json", method)
            self.assertEqual((response.status, response.getheader("Allow")), (405, "GET, HEAD"))

    def test_foreign_names_for_this_machine(self):
        self.assertEqual(self.ask("/config.json", Host="evil.example")[0].status, 403)
        self.assertEqual(self.ask("/config.json", Host="localhost:1")[0].status, 200)

    def test_what_is_no_request(self):
        for request in (b"hello\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/2\r\n\r\n", b"GET config.json HTTP/1.1\r\n\r\n",
                        b"GET /a b HTTP/1.1\r\n\r\n", b"GOT / HTTP/1.1\r\n\r\n", b"\0\1\2\r\n\r\n"):
            with self.subTest(request):
                answer = self.raw(request)
                self.assertTrue(answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"), answer)
                self.assertIn(b"\r\nContent-Type: text/plain", answer)
                self.assertIn(b"\r\nCross-Origin-Embedder-Policy: require-corp\r\n", answer)
        self.assertTrue(self.raw(b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 414 "))
        self.assertEqual(self.raw(b"GET / HT", leave=True), b"")
        self.assertEqual(self.ask("/config.json")[0].status, 200)  # still there

    def test_odd_addresses_are_of_no_file(self):
        for path in (b"/%zz", b"/%00", b"/config.json%00", b"/%0d%0aX:%20y", b"/%", b"/%ff%fe", b"/config.json%20"):
            with self.subTest(path):
                answer = self.raw(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertTrue(answer.startswith(b"HTTP/1.1 404 Not Found\r\n"), answer)
                self.assertNotIn(b"\r\nX:", answer)
        for path in (b"/config.json?v=1", b"/config%2ejson", b"/config.json#x"):
            answer = self.raw(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer)


class Starting(unittest.TestCase):
    def test_only_this_machine_unless_told(self):
        process, port = start(BUNDLE, "--port", "0")
        try:
            listening = [line.split() for name in ("tcp", "tcp6") for line in pathlib.Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
            mine = [entry[1] for entry in listening if entry[3] == "0A" and entry[1].endswith(f":{port:04X}")]
            self.assertEqual(mine, [f"0100007F:{port:04X}"])
        finally:
            self.assertEqual(stop(process), (0, "", ""))

    def test_mounts(self):
        process, port = start(BUNDLE, "--port", "0", "--mount", f"/lib={LIB},/lib/deep={BUNDLE}")
        try:
            for path, file in (("/lib/transformers.web.js", LIB / "transformers.web.js"), ("/lib/", LIB / "index.html"),
                               ("/lib/deep/config.json", BUNDLE / "config.json")):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request("GET", path)
                self.assertEqual(connection.getresponse().read(), file.read_bytes())
                connection.close()
        finally:
            stop(process)

    def test_an_open_connection_does_not_hold_it_up(self):
        process, port = start(BUNDLE, "--port", "0")
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /config.json HTTP/1.1\r\n")
            begin = time.monotonic()
            self.assertEqual(stop(process)[0], 0)
            self.assertLess(time.monotonic() - begin, 10)

    def test_idle_connections_keep_nobody_waiting(self):
        process, port = start(BUNDLE, "--port", "0")
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
            connection.request("GET", "/config.json")
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()
            self.assertEqual(stop(process)[0], 0)
        finally:
            for one in idle:
                one.close()

    def test_addresses_of_this_machine_refuse_foreign_names(self):
        process, port = start(BUNDLE, "--port", "0", "--host", "localhost")
        try:
            for host, status in (("evil.example", 403), ("localhost", 200)):
                connection = http.client.HTTPConnection("localhost", port, timeout=30)
                connection.request("GET", "/config.json", headers={"Host": host})
                self.assertEqual(connection.getresponse().status, status)
                connection.close()
        finally:
            stop(process)

    def test_a_reader_that_takes_nothing_neither_ends_nor_blocks_it(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(pathlib.Path(folder) / "big.bin", "wb") as file:
                file.truncate(64 << 20)
            process, port = start(folder, "--port", "0")
            with socket.create_connection(("127.0.0.1", port)) as slow:
                slow.sendall(b"GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request("GET", "/big.bin", headers={"Range": "bytes=67108863-"})
                self.assertEqual(connection.getresponse().read(), b"\0")
                connection.close()
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                self.assertLess(int(re.search(r"VmRSS:\s+(\d+)", status)[1]), 40 << 10, "files are streamed")
                self.assertEqual(stop(process)[0], 0)

    def refused(self, *arguments, code=1, part):
        result = run("serve", *arguments)
        self.assertEqual((result.returncode, result.stdout), (code, ""))
        self.assertEqual(result.stderr.count("\n"), 1)
        self.assertIn(part, result.stderr)

    def test_refusals(self):
        self.refused(BUNDLE / "nowhere", part="nowhere: does not exist")
        self.refused(BUNDLE / "config.json", part="config.json: is not a folder")
        self.refused(BUNDLE, "--mount", "/lib", code=2, part='--mount "/lib"')
        self.refused(BUNDLE, "--mount", f"lib={LIB}", part='"lib" is no prefix of URLs')
        self.refused(BUNDLE, "--mount", "/lib=/nowhere", part="/nowhere: does not exist")
        self.refused(BUNDLE, "--mount", f"/a={LIB},/a/={LIB}", part="mounted twice")
        self.refused(BUNDLE, "--port", "70000", code=2, part="--port")
        self.refused(BUNDLE, "--host", "", code=2, part="--host is empty")
        self.refused(BUNDLE, "--host", "nowhere.invalid", part="cannot listen there")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.refused(BUNDLE, "--port", str(taken.getsockname()[1]), part="is in use; --port 0 takes a free one")


if __name__ == "__main__":
    unittest.main()
