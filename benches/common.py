"""What the benchmarks of pushes share: a registry behind a slow line, and the page with the results."""
import asyncio, os, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Bytes a second, of each connection.
RATE = 30e6


class Line:
    """A line with a round trip and a rate for each connection. It counts requests, and keeps what was exchanged: request,
    answer, and the seconds (of `time.monotonic`) at which each of them came here."""

    def __init__(self, target):
        self.target, self.trip, self.requests, self.exchanges = target, 0.0, 0, []
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self.run, args=(ready,), daemon=True).start()
        ready.wait()

    def run(self, ready):
        asyncio.set_event_loop(self.loop)

        async def start():
            server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=1 << 20)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await server.serve_forever()

        self.loop.run_until_complete(start())

    async def serve(self, reader, writer):
        await asyncio.sleep(self.trip)  # The handshake.
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target, limit=1 << 20)
            asked = []
            await asyncio.gather(self.pass_on(reader, there[1], True, asked), self.pass_on(there[0], writer, False, asked))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def pass_on(self, reader, writer, is_asking, asked):
        waiting = asyncio.Queue(maxsize=64)

        async def deliver():
            while (piece := await waiting.get()) is not None:
                due, data = piece
                await asyncio.sleep(max(0, due - time.monotonic()))
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

        delivering = asyncio.create_task(deliver())
        free = 0.0
        while data := await reader.read(1 << 18):
            if is_asking and re.match(rb"(GET|HEAD|POST|PUT|PATCH|DELETE) /", data):
                self.requests += 1
                asked.append((data.split(b"\r")[0].decode(), time.monotonic()))
            if not is_asking and data.startswith(b"HTTP/1.1 ") and asked:
                request, at = asked.pop()
                self.exchanges.append((request, data[9:12].decode(), at, time.monotonic()))
            now = time.monotonic()
            free = max(free, now) + len(data) / RATE
            await waiting.put((free + self.trip / 2, data))
            await asyncio.sleep(max(0, free - now - 0.02))
        await waiting.put(None)
        await delivering


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start_registry(folder):
    port = free_port()
    configuration = folder / "registry.yml"
    configuration.write_text(
        f"version: 0.1\nlog: {{accesslog: {{disabled: true}}, level: error}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
        f"storage: {{filesystem: {{rootdirectory: '{folder}/storage'}}}}\n"
    )
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(["docker-registry", "serve", configuration], stdout=quiet, stderr=quiet)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server, port
        except OSError:
            time.sleep(0.05)


def timed(command, folder, environment, line):
    """Runs a command: seconds, requests, peak memory in MiB."""
    memory = folder / "memory"
    line.requests, line.exchanges = 0, []
    started = time.monotonic()
    done = subprocess.run(["/usr/bin/time", "--format", "%M", "--output", memory, *command],
                          cwd=environment["PWD"], env=environment, capture_output=True, text=True)
    seconds = time.monotonic() - started
    if done.returncode != 0:
        sys.exit(f"{command}: {done.stderr}")
    return seconds, line.requests, int(memory.read_text().split()[-1]) / 1024


class Place:
    """A registry behind a slow line, and a home without settings for those who push to it."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp())
        self.server, port = start_registry(self.folder)
        self.line = Line(port)
        home = self.folder / "home"
        home.mkdir()
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PWD": str(home)}
        self.repositories = 0

    def repository(self, client):
        """The name of an empty repository of the registry."""
        self.repositories += 1
        return f"127.0.0.1:{self.line.port}/{client}-{self.repositories}"

    def end(self):
        self.server.send_signal(signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)


def record(name, lines):
    """Writes lines between the marks of a benchmark in the page."""
    page = ROOT / "docs/benchmarks.md"
    text, mark = page.read_text(), f"<!-- benches/{name} -->"
    start = text.index(mark)
    end = text.index("<!-- end -->", start)
    page.write_text(text[:start] + mark + "\n" + "\n".join(lines) + "\n" + text[end:])


def hephy():
    """The program to measure: the one that was named, else the release binary."""
    if len(sys.argv) < 2:
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    return Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/hephy").resolve()


def tool(name):
    """The path of a program that the tests install."""
    folder = subprocess.run([ROOT / "tests/tools/run", name], capture_output=True, text=True, check=True).stdout
    return Path(folder.strip()) / name


def start_repository(folder, environment, files):
    """A repository with one commit. A file is a text, or the path of one to copy."""
    folder.mkdir()
    for name, content in files.items():
        shutil.copy(content, folder / name) if isinstance(content, Path) else (folder / name).write_text(content)
    for arguments in (["init", "--quiet"], ["add", "."], ["-c", "user.name=b", "-c", "user.email=b@example.com",
                      "commit", "--quiet", "--message", "Start"]):
        subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True)
