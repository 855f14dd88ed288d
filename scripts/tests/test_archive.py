"""Tests of scripts/pieces: what is taken, missed and said when the archive is not whole.

A server on loopback stands in front of the real mirror. It passes on what the mirror has, but for
what a test hides. The programs under test are the ones that fill the build root, with an apt
configuration of their own; they stop where they would install. Runs inside the build root.
"""

import os
import re
import subprocess
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

PIECES = Path(__file__).resolve().parent.parent / "pieces"
#: The exit status of what the archive does not have (archive.sh).
GONE = 3
#: What the root has fetched already need not come over the network once more.
FETCHED = Path("/var/cache/apt/archives")
RELEASE = Path("/etc/rkexec-kernel").read_text().strip()


def mirror() -> str:
    """The mirror of the build root."""
    return subprocess.run(["sh", "-c", f". {PIECES}/archive.sh && mirror"],
                          capture_output=True, check=True, text=True).stdout.strip()


class Archive(ThreadingHTTPServer):
    """The mirror, without what is hidden."""

    def __init__(self, cache: Path):
        super().__init__(("127.0.0.1", 0), Handler)
        self.cache = cache
        self.origin = mirror()
        self.lock = threading.Lock()
        #: Paths that are answered otherwise: a regular expression, and the status.
        self.hidden: list[tuple[str, int]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}/debian"

    def get(self, path: str) -> bytes | None:
        """A file of the mirror's; None if it does not have it."""
        fetched = FETCHED / unquote(path).rsplit("/", 1)[-1]
        if fetched.exists():
            return fetched.read_bytes()
        kept = self.cache / path.replace("/", "_")
        with self.lock:
            if not kept.exists():
                # apt knows the way to the mirror, whatever that is.
                got = subprocess.run(
                    ["/usr/lib/apt/apt-helper", "download-file", f"{self.origin}{path}", kept],
                    capture_output=True, text=True, check=False)
                if got.returncode != 0:
                    return None
        return kept.read_bytes()


class Handler(BaseHTTPRequestHandler):
    """One request of apt's."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answers with the mirror's file, or as the test wants it."""
        path = self.path.removeprefix("/debian")
        status = next((status for pattern, status in self.server.hidden
                       if re.search(pattern, unquote(path))), 200)
        body = self.server.get(path) if status == 200 else None
        if status == 200 and body is None:
            status = 404
        self.send_response(status)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_args):
        """Says nothing."""


class Pieces(unittest.TestCase):
    """What the programs do."""

    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        cache = Path(cls.place.name) / "cache"
        cache.mkdir()
        cls.archive = Archive(cache)

    @classmethod
    def tearDownClass(cls):
        cls.archive.shutdown()
        cls.archive.server_close()
        cls.place.cleanup()

    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.work = Path(work.name)
        for folder in ["lists/partial", "cache/archives/partial", "state", "xens"]:
            (self.work / folder).mkdir(parents=True)
        # As the root was before it had a kernel.
        packages = Path("/var/lib/dpkg/status").read_text().split("\n\n")
        of_a_kernel = re.compile("Package: linux-(base|binary|headers|kbuild|modules|source)")
        kept = [it for it in packages if not of_a_kernel.match(it)]
        (self.work / "status").write_text("\n\n".join(kept))
        (self.work / "sources.list").write_text(
            f"deb {self.archive.address} trixie main\n"
            f"deb {self.archive.address} trixie-backports main\n")
        (self.work / "conf").write_text(f"""
            Dir::Etc::SourceList "{self.work}/sources.list";
            Dir::Etc::SourceParts "/dev/null";
            Dir::State "{self.work}/state";
            Dir::State::Lists "{self.work}/lists";
            Dir::State::Status "{self.work}/status";
            Dir::Cache "{self.work}/cache";
            Dir::Log "{self.work}";
            Acquire::Languages "none";
            Acquire::http::Proxy::127.0.0.1 "DIRECT";
            APT::Sandbox::User "root";
            Debug::NoLocking "true";
            """)
        self.hide()

    def hide(self, *patterns: str, status: int = 404):
        """What the archive does not serve, though its index lists it."""
        self.archive.hidden = [(pattern, status) for pattern in patterns]

    def run_piece(self, *words: str, **knobs: str) -> tuple[int, str]:
        """Runs a program of scripts/pieces."""
        env = {**os.environ, "APT_CONFIG": f"{self.work}/conf", "RKEXEC_KERNEL": "",
               "RKEXEC_MIRROR": self.archive.address, "RKEXEC_XENS": f"{self.work}/xens",
               "RKEXEC_XEN_SOURCE": f"{self.work}/xen.orig.tar",
               "RKEXEC_STATE": f"{self.work}/state", **knobs}
        ran = subprocess.run([PIECES / words[0], *words[1:]], env=env, text=True, check=False,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
        return ran.returncode, ran.stdout

    def choose(self, rows: str, *options: str, **knobs: str) -> tuple[int, str]:
        """The choice of a kernel by a table."""
        table = self.work / "kernels"
        table.write_text(rows)
        return self.run_piece("kernel", "--choose", str(table), *options, **knobs)

    @property
    def known(self) -> str:
        """The row of the kernel that the root has; if it is of no table, as apt tells it."""
        for line in (PIECES / "kernels").read_text().splitlines():
            if line.startswith(RELEASE):
                return line
        version = subprocess.run(
            ["dpkg-query", "--showformat=${Version}", "--show", f"linux-binary-{RELEASE}"],
            capture_output=True, check=True, text=True).stdout
        return f"{RELEASE} {version} {'.'.join(RELEASE.split('.')[:2])}"

    def test_the_first_kernel_of_the_table_is_taken(self):
        status, said = self.choose(f"# a remark\n{self.known}\n9.9.9+deb13-amd64 9.9.9-1 9.9\n")
        self.assertEqual(status, 0, said)
        self.assertIn(f"CHOSEN: {RELEASE} ", said)
        self.assertNotIn("WARNING", said)

    def test_a_kernel_that_the_archive_has_no_more_gives_way_to_the_next(self):
        status, said = self.choose(f"9.9.9+deb13-amd64 9.9.9-1 9.9\n{self.known}\n")
        self.assertEqual(status, 0, said)
        self.assertIn("kernel 9.9.9+deb13-amd64: not complete in the archive: Unable to", said)
        self.assertIn(f"CHOSEN: {RELEASE} ", said)

    def test_the_second_kernel_is_of_another_series(self):
        rows = f"{self.known}\n9.9.9+deb13-amd64 9.9.9-1 9.9\n"
        status, said = self.choose(rows, "--second", RKEXEC_KERNEL=RELEASE)
        self.assertEqual(status, GONE, said)
        self.assertRegex(said.splitlines()[-1], "^GONE: no such kernel .*; 9.9.9.*: Unable to")
        self.assertNotIn(RELEASE, said.splitlines()[-1])

    def test_headers_without_source_are_no_kernel(self):
        self.hide("/linux-source-")
        status, said = self.choose(f"{self.known}\n")
        self.assertEqual(status, GONE, said)
        last = said.splitlines()[-1]
        self.assertRegex(last, rf"^GONE: none of the kernels .*{re.escape(RELEASE)}: "
                               r"linux-source-.*404 +Not Found.*make KERNEL=RELEASE")
        self.assertNotIn("127.0.0.1", last)

    def test_a_kernel_of_no_table_is_taken_when_it_is_asked_for_and_loudly(self):
        rows = "9.9.9+deb13-amd64 9.9.9-1 9.9\n"
        status, said = self.choose(rows, RKEXEC_KERNEL=RELEASE)
        self.assertEqual(status, 0, said)
        self.assertRegex(said, f"(?m)^WARNING: kernel {re.escape(RELEASE)} is not among those")
        self.assertIn(f"CHOSEN: {RELEASE} ", said)
        status, said = self.choose(rows, RKEXEC_KERNEL="9.9.8+deb13-amd64")
        self.assertEqual(status, GONE, said)
        self.assertIn("GONE: the archive has no kernel 9.9.8+deb13-amd64 (its newest is ", said)

    def test_the_source_of_xen_is_the_newest_that_is_served(self):
        self.hide(r"/xen_4\.20\.")
        status, said = self.run_piece("xen-source")
        self.assertEqual(status, 0, said)
        self.assertIn("no source of Xen from trixie", said)
        self.assertRegex(said, "CHOSEN: Xen of (bookworm|bullseye)")
        self.assertGreater((self.work / "xen.orig.tar").stat().st_size, 1 << 20)

    def test_without_any_source_of_xen_the_reason_is_that_of_each_release(self):
        self.hide("/xen_")
        status, said = self.run_piece("xen-source")
        self.assertEqual(status, GONE, said)
        self.assertRegex(said.splitlines()[-1],
                         "^GONE: trixie: .*404.*; bookworm: .*404.*; bullseye: .*404")

    def test_a_release_of_debian_that_is_gone_costs_its_xen_and_nothing_else(self):
        self.hide("/dists/bullseye/")
        status, said = self.run_piece("fetch", "xen-bullseye", "xen-trixie")
        self.assertEqual(status, 0, said)
        self.assertRegex(said, r"xen-bullseye: the archive does not have it: .*Release file")
        self.assertIn("xen-trixie: there", said)
        reason = (self.work / "state/missing/xen-bullseye").read_text()
        self.assertIn("Release file", reason)
        self.assertFalse((self.work / "state/missing/xen-trixie").exists())
        # What is needed is another matter.
        status, said = self.run_piece("fetch", "--needed", "xen-bullseye")
        self.assertEqual(status, 1, said)
        # When it is back it is fetched.
        self.hide()
        status, said = self.run_piece("fetch", "xen-bullseye")
        self.assertEqual(status, 0, said)
        self.assertFalse((self.work / "state/missing/xen-bullseye").exists())
        self.assertTrue((self.work / "xens/bullseye/version").exists())

    def test_an_index_newer_than_the_pool_makes_another_release_s_xen_the_usual_one(self):
        self.hide(r"/xen-hypervisor-4\.20.*deb13")
        status, said = self.run_piece("xen", "main")
        self.assertEqual(status, 0, said)
        self.assertIn("no Xen of trixie", said)
        self.assertIn(os.readlink(self.work / "xens/main"), ("sid", "bookworm"))

    def test_a_bad_connection_is_an_error_and_no_reason_to_skip(self):
        self.hide("/pool/", status=500)
        status, said = self.run_piece("fetch", "xen-bullseye")
        self.assertEqual(status, 1, said)
        self.assertIn("xen-bullseye: FAILED", said)


if __name__ == "__main__":
    unittest.main()
