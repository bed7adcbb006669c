"""Fetches and builds what the suites need, once, into build/clients.

Each piece is a directory with a marker file that names the versions it was made from; a piece whose
marker fits is used again. What cannot be had raises Unavailable with a reason, and the suite that
asked for it is reported as skipped with that reason.
"""

import json
import os
import shutil
import tarfile

import paths
import processes


class Unavailable(Exception):
    """A toolchain, package or registry that this machine does not have."""


def _say(text):
    print(f"  prepare: {text}", flush=True)


def need(command, package):
    """Path of `command`; installs the Debian package `package` if it is missing."""
    if not shutil.which(command):
        apt_get(package)
    found = shutil.which(command)
    if not found:
        raise Unavailable(f"the Debian package {package} did not bring {command}")
    return found


def need_python(module, package):
    """Makes `module` importable by Debian's own Python, from the Debian package `package`."""
    probe = ["/usr/bin/python3", "-c", f"import {module}"]
    if not processes.run(probe, 60).ok:
        apt_get(package)
        if not processes.run(probe, 60).ok:
            raise Unavailable(f"the Debian package {package} did not bring the module {module}")


def need_header(header, package):
    """Makes /usr/include/`header` exist, from the Debian package `package`."""
    if not os.path.exists(f"/usr/include/{header}"):
        apt_get(package)


def apt_get(*packages):
    """Installs Debian packages, with one update of the lists if the first try fails."""
    if os.geteuid() == 0:
        apt = ["apt-get"]
    elif shutil.which("sudo") and processes.run(["sudo", "-n", "true"], 10).ok:
        apt = ["sudo", "-n", "apt-get"]
    else:
        raise Unavailable(f"{' '.join(packages)} (Debian) is missing and we are not root")
    _say(f"installing {' '.join(packages)}")
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    install = apt + ["install", "-y", "--no-install-recommends", *packages]
    if processes.run(install, 600, env=env).ok:
        return
    processes.run(apt + ["update"], 300, env=env)
    done = processes.run(install, 600, env=env)
    if not done.ok:
        raise Unavailable(f"cannot install {' '.join(packages)}: {done.tail(2)}")


class Piece:
    """A cached directory: `with Piece(...) as piece: if piece.missing: make it`."""

    def __init__(self, name, recipe):
        self.path = paths.CACHE / name
        self._marker = self.path / ".made-from"
        self._recipe = json.dumps(recipe, sort_keys=True)
        self.missing = not (self._marker.exists() and self._marker.read_text() == self._recipe)

    def __enter__(self):
        if self.missing:
            shutil.rmtree(self.path, ignore_errors=True)
            self.path.mkdir(parents=True)
        return self

    def __exit__(self, kind, value, trace):
        if kind is None and self.missing:
            self._marker.write_text(self._recipe)


def _must(what, command, timeout, **options):
    done = processes.run(command, timeout, **options)
    if not done.ok:
        log = paths.LOGS / "prepare.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "a") as out:
            out.write(f"== {what}: {' '.join(map(str, command))}\n{done.output}\n")
        raise Unavailable(f"{what}: {'timed out' if done.timed_out else done.tail(3)}")
    return done


_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>magpie.test</groupId><artifactId>clients</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>{dependencies}</dependencies>
</project>
"""


def _copy_jars(piece, wanted, *options):
    """The artifacts and what they need at run time, into the piece's folder jars."""
    maven = need("mvn", "maven")
    pom = piece.path / "pom.xml"
    pom.write_text(_POM.format(dependencies="".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{number}</version></dependency>" for group, artifact, number in wanted)))
    plugin = paths.VERSIONS["maven_dependency_plugin"]
    _must(f"{piece.path.name} jars", [
        maven, "-B", "-q", "-f", pom,
        f"org.apache.maven.plugins:maven-dependency-plugin:{plugin}:copy-dependencies",
        f"-DoutputDirectory={piece.path / 'jars'}", "-DincludeScope=runtime", *options], 600)


def kafka_jars(version):
    """Directory of the jars of Apache Kafka `version`: broker, tools, clients."""
    java = need("java", "openjdk-17-jre-headless")
    recipe = {"kafka": version, "slf4j": paths.VERSIONS["slf4j"], "java": java, "recipe": 2}
    with Piece(f"kafka-{version}", recipe) as piece:
        if piece.missing:
            _say(f"Apache Kafka {version} jars")
            _copy_jars(piece, [("org.apache.kafka", "kafka_2.13", version),
                               ("org.apache.kafka", "kafka-tools", version),
                               ("org.slf4j", "slf4j-simple", paths.VERSIONS["slf4j"])])
            for second_binding in (piece.path / "jars").glob("slf4j-reload4j-*.jar"):
                second_binding.unlink()
    return piece.path / "jars"


def kafka_mirror_jars(version):
    """Directory of what MirrorMaker 2 of that version needs beside kafka_jars()."""
    with Piece(f"kafka-mirror-{version}", {"kafka": version, "recipe": 1}) as piece:
        if piece.missing:
            _say(f"Apache Kafka {version} MirrorMaker jars")
            _copy_jars(piece, [("org.apache.kafka", "connect-mirror", version),
                               ("org.apache.kafka", "connect-mirror-client", version)],
                       "-DexcludeTransitive=true")
    return piece.path / "jars"


def kafka_scripts(version):
    """A directory with bin/kafka-topics.sh, as some tests of other clients expect to find it."""
    jars = kafka_jars(version)
    script = paths.CACHE / f"kafka-scripts-{version}" / "bin" / "kafka-topics.sh"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f'#!/bin/sh\nexec java -cp "{jars}/*" org.apache.kafka.tools.TopicCommand'
                      ' "$@"\n')
    script.chmod(0o755)
    return script.parent.parent


def npm_package(name, into):
    """Unpacks the npm package `name` at its pinned version into `into`, without its scripts."""
    npm = need("npm", "npm")
    version = paths.VERSIONS["npm"][name]
    _say(f"npm package {name} {version}")
    scratch = into / ".download"
    scratch.mkdir(parents=True, exist_ok=True)
    _must(f"npm package {name}", [npm, "pack", "--silent", f"{name}@{version}"], 300, cwd=scratch)
    archive, = scratch.glob("*.tgz")
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            top, _, rest = member.name.partition("/")
            if rest and member.isfile() and ".." not in rest.split("/"):
                member.name = rest
                tar.extract(member, into)
    shutil.rmtree(scratch)


def librdkafka():
    """Source tree of librdkafka from the npm package node-rdkafka, library and tests built."""
    recipe = {"node-rdkafka": paths.VERSIONS["npm"]["node-rdkafka"], "build": 2}
    with Piece("node-rdkafka", recipe) as piece:
        root = piece.path / "deps" / "librdkafka"
        if piece.missing:
            compiler = need("gcc", "gcc"), need("g++", "g++")
            make = need("make", "make")
            for header, package in (("zstd.h", "libzstd-dev"), ("lz4.h", "liblz4-dev"),
                                    ("zlib.h", "zlib1g-dev"), ("openssl/ssl.h", "libssl-dev"),
                                    ("rapidjson/schema.h", "rapidjson-dev")):
                need_header(header, package)
            npm_package("node-rdkafka", piece.path)
            _say("building librdkafka and its tests")
            cached = ["ccache "] if shutil.which("ccache") else [""]
            env = dict(os.environ, CC=cached[0] + compiler[0], CXX=cached[0] + compiler[1])
            _must("librdkafka configure", ["./configure", "--disable-curl", "--disable-gssapi"],
                  300, cwd=root, env=env)
            _must("librdkafka build", [make, "-j2", "libs"], 1200, cwd=root, env=env)
            _must("librdkafka tests", [make, "-j2", "-C", "tests", "build"], 1200, cwd=root,
                  env=env)
    return root


def node_modules(names, directory):
    """A directory with `node_modules` holding the pinned packages `names`."""
    need("node", "nodejs")
    wanted = {name: paths.VERSIONS["npm"][name] for name in names}
    with Piece(directory, wanted) as piece:
        if piece.missing:
            for name in names:
                npm_package(name, piece.path / "node_modules" / name)
    return piece.path


def go_test(module, package, name):
    """The compiled test program of a Go package, with the versions of `module`/go.mod."""
    go = need("go", "golang-go")
    # In the module's folder, because Go from 1.21 on fetches the toolchain that go.mod asks for.
    said = _must("Go", [go, "env", "GOVERSION"], 300, cwd=module).output.strip()
    recipe = {"go": said, "modules": (module / "go.sum").read_text(), "package": package}
    with Piece(name, recipe) as piece:
        program = piece.path / "tests"
        if piece.missing:
            _say(f"Go modules and tests of {package}")
            _must("Go modules", [go, "mod", "download"], 600, cwd=module)
            _must(f"tests of {package}", [go, "test", "-c", "-p", "2", "-o", program, package],
                  1200, cwd=module)
    return program


def go_program(module, package, name):
    """The program of package `package`, a folder of `module`."""
    go = need("go", "golang-go")
    said = _must("Go", [go, "env", "GOVERSION"], 300, cwd=module).output.strip()
    recipe = {"go": said, "modules": (module / "go.sum").read_text(),
              "source": [path.read_text() for path in sorted((module / package).glob("*.go"))]}
    with Piece(name, recipe) as piece:
        program = piece.path / package
        if piece.missing:
            _say(f"Go modules and the program {name}")
            _must("Go modules", [go, "mod", "download"], 600, cwd=module)
            _must(name, [go, "build", "-p", "2", "-o", program, f"./{package}"], 1200, cwd=module)
    return program


def java_program(name, source):
    """(Folder of the classes of `source`, folder of the jars it needs)."""
    jars = kafka_jars(paths.VERSIONS["kafka"])
    compiler = need("javac", "openjdk-17-jdk-headless")
    recipe = {"kafka": paths.VERSIONS["kafka"], "source": source.read_text()}
    with Piece(name, recipe) as piece:
        if piece.missing:
            _say(f"the program {name}")
            _must(name, [compiler, "-cp", f"{jars}/*", "-d", piece.path, source], 300)
    return piece.path, jars


def java_load():
    """Command line of test/clients/java_load: magpie-load (test/load), on Kafka's own client."""
    classes, jars = java_program("java-load", paths.HERE / "java_load" / "Load.java")
    return [need("java", "openjdk-17-jre-headless"), "-Xmx96m", "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1", "-Xshare:auto",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{classes}:{jars}/*", "Load"]
