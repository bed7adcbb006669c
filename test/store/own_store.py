"""What only `magpie store` promises: its process, its file, and what it refuses."""

import http.client
import sqlite3

from gateway import encode


def test_keeps_what_it_answered(server):
    server.start()
    store = server.store()
    lease, _ = store.grant(600)
    revisions = [store.put(f"k{i}", str(i), lease) for i in range(50)]
    identity = store.call("maintenance/status", {})["header"]
    server.kill()
    server.start()
    found = store.range("k", "l")
    assert found.count == 50 and found.revision == revisions[-1]
    assert [item.modified for item in sorted(found.kvs, key=lambda kv: kv.modified)] == revisions
    assert store.time_to_live(lease)[0] > 590, "a lease has its full time again"
    header = store.call("maintenance/status", {})["header"]
    assert header["cluster_id"] == identity["cluster_id"]
    assert int(header["raft_term"]) == int(identity["raft_term"]) + 1
    # The history was not kept, and a watch is told so; one from now on works.
    watch = store.watch("k", "l", revisions[10])
    messages = watch.messages(lambda messages: any(m.get("canceled") for m in messages))
    assert int(messages[-1]["compact_revision"]) == revisions[-1]
    watch = store.watch("k", "l", revisions[-1] + 1)
    store.delete("k0")
    assert watch.events(1)[0][:2] == ("DELETE", "k0")
    watch.close()


def test_ends_watches_and_exits_with_0(server):
    server.start()
    assert "single point of failure" in server.log_text()
    watch = server.store().watch("k")
    watch.messages(lambda messages: len(messages) >= 1)
    assert server.stop() == 0, server.log_text()
    assert watch.ended()


def test_tells_watches_how_far_it_is(server):
    server.start()
    store = server.store()
    store.put("a", "1")
    watch = store.watch("other")
    watch.close()
    body = {"key": encode("other"), "progress_notify": True}
    watch = type(watch)(server.port, body)
    messages = watch.messages(lambda messages: len(messages) >= 2, seconds=8)
    assert "events" not in messages[1] and "created" not in messages[1]
    assert int(messages[1]["header"]["revision"]) == store.revision()
    watch.close()


def test_one_process_per_directory(server):
    server.start()
    code, said = server.run_to_end()
    assert code == 3 and "in use by process" in said, said


def test_refuses_what_is_not_its_own(server):
    server.start("--cluster", "one")
    server.stop()
    code, said = server.run_to_end("--cluster", "two")
    assert code == 2 and "store of cluster 'one'" in said, said


def test_refuses_a_newer_format(server):
    server.start()
    server.stop()
    database = sqlite3.connect(server.data / "store.db")
    database.execute("PRAGMA user_version=2")
    database.close()
    code, said = server.run_to_end()
    assert code == 2 and "format 2" in said, said


def test_refuses_damage_and_loss(server):
    server.start()
    for i in range(200):
        server.store().put(f"key{i}", "x" * 200)
    server.stop()
    path = server.data / "store.db"
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(4096) + whole[middle + 4096:])
    code, said = server.run_to_end()
    assert code == 2 and "store.db" in said, said
    path.unlink()
    code, said = server.run_to_end()
    assert code == 2 and "is missing" in said and not path.exists(), said
    path.write_bytes(whole)
    server.start()
    assert server.store().range("key", "kez").count == 200


def test_ends_when_the_disk_fails_and_keeps_what_it_answered(server):
    server.start(file_kilobytes=300)
    answered = []
    try:
        for i in range(1000):
            server.store().put(f"k{i:04}", "x" * 5000)
            answered.append(f"k{i:04}")
    except (OSError, ValueError, http.client.HTTPException):
        pass
    assert 0 < len(answered) < 1000
    assert server.process.wait(10) == 2, server.log_text()
    assert "start again once the disk works" in server.log_text()
    server.start()
    found = [item.key for item in server.store().range("k", "l").kvs]
    assert found[:len(answered)] == answered, (len(found), len(answered))
    assert len(found) <= len(answered) + 1


def test_stays_on_loopback(server):
    code, said = server.run_to_end(listen="0.0.0.0:2379")
    assert code == 1 and "--insecure" in said, said


def tests():
    return [(name[5:], function) for name, function in sorted(globals().items())
            if name.startswith("test_")]
