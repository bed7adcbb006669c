#!/usr/bin/env python3
"""One conformance suite for all control stores, and the client of the nodes against each.

    test/store/run.py [BUILD]                   everything
    test/store/run.py [BUILD] -k compaction     tests whose name contains a word

`magpie store`, an etcd of three members and one that asks for certificates, each with the same
requests; then the store client under load while members are killed, or while it is cut off. Data
lies in a temporary folder that goes afterwards.
"""

import argparse
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import conformance  # noqa: E402
import driven  # noqa: E402
import own_store  # noqa: E402
from certificates import Certificates  # noqa: E402
from servers import TOP, EtcdCluster, MagpieStore  # noqa: E402


class Results:
    def __init__(self, word):
        self.word = word
        self.passed, self.failed, self.skipped = 0, 0, 0

    def wants(self, name):
        return self.word in name

    def run(self, name, action):
        if not self.wants(name):
            return
        try:
            action()
        except Exception:  # a test may fail in any way
            self.failed += 1
            print(f"FAILED {name}")
            traceback.print_exc(file=sys.stdout)
        else:
            self.passed += 1
            print(f"ok     {name}")
        sys.stdout.flush()

    def skip(self, name, reason):
        self.skipped += 1
        print(f"SKIPPED {name}: {reason}")


def run_shared(results, server):
    """The conformance suite; each test has a prefix of its own."""
    for number, (name, test) in enumerate(conformance.tests()):
        results.run(f"{server.name}.{name}",
                    lambda test=test, number=number: test(server.store(), f"{number}/{name}/"))


def run_own(results, binary, folder):
    for name, test in own_store.tests():
        server = MagpieStore(binary, folder / name)
        try:
            results.run(f"magpie.{name}", lambda test=test, server=server: test(server))
        finally:
            server.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default=str(TOP / "build" / "debug"))
    parser.add_argument("-k", default="", metavar="WORD", dest="word")
    options = parser.parse_args()
    build = Path(options.build)
    results = Results(options.word)
    folder = Path(tempfile.mkdtemp(prefix="magpie-store-"))
    servers = []
    try:
        magpie = MagpieStore(build / "magpie", folder / "magpie")
        servers.append(magpie)
        magpie.start()
        run_shared(results, magpie)
        driven.run_magpie(results, build, magpie)
        run_own(results, build / "magpie", folder)
        if EtcdCluster.missing():
            results.skip("etcd", EtcdCluster.missing())
        else:
            etcd = EtcdCluster(folder / "etcd")
            servers.append(etcd)
            etcd.start()
            run_shared(results, etcd)
            driven.run_etcd(results, build, etcd)
            etcd.end()
            certificates = Certificates(folder / "certificates")
            secured = EtcdCluster(folder / "etcd_tls", certificates)
            servers.append(secured)
            secured.start()
            run_shared(results, secured)
            driven.run_etcd_with_tls(results, build, secured, certificates)
    finally:
        for server in servers:
            server.end()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{results.passed} passed, {results.failed} failed, {results.skipped} skipped")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
