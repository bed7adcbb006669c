"""What every control store must do, one function each. All keys lie under a prefix of their own."""

import time

from gateway import Refused, decode, encode

ALL = "\0"


def compare(key, target, number=None, result="EQUAL", value=None):
    names = {"MOD": "mod_revision", "CREATE": "create_revision", "VERSION": "version",
             "LEASE": "lease"}
    made = {"key": encode(key), "target": target, "result": result}
    if target == "VALUE":
        made["value"] = encode(value)
    else:
        made[names[target]] = str(number)
    return made


def put(key, value, lease=0):
    return {"request_put": {"key": encode(key), "value": encode(value), "lease": str(lease)}}


def refused(code, text, action):
    try:
        action()
    except Refused as refusal:
        assert refusal.code == code, refusal
        assert text in refusal.message, refusal
        return
    raise AssertionError("was not refused")


def test_revisions_and_versions(store, p):
    start = store.revision()
    assert store.put(p + "a", "1") == start + 1
    assert store.put(p + "a", "") == start + 2
    item = store.range(p + "a").kvs[0]
    assert (item.created, item.modified, item.version) == (start + 1, start + 2, 2)
    assert item.value == ""
    assert store.delete(p + "a") == 1
    assert store.delete(p + "a") == 0
    assert store.revision() == start + 3, "deleting nothing is no change"
    store.put(p + "a", "2")
    item = store.range(p + "a").kvs[0]
    assert (item.created, item.version) == (start + 4, 1)


def test_any_bytes_are_keys_and_values(store, p):
    text = "".join(map(chr, range(256)))
    store.put(p + text, text)
    assert store.range(p, p + "\xff\xff").values == {p + text: text}


def test_ranges(store, p):
    for name in ("a", "b/1", "b/2", "b/3", "c"):
        store.put(p + name, name)
    found = store.range(p + "b/", p + "b0")
    assert [item.key for item in found.kvs] == [p + "b/1", p + "b/2", p + "b/3"]
    limited = store.range(p + "b/", p + "b0", limit="2")
    assert len(limited.kvs) == 2 and limited.more and limited.count == 3
    assert not store.range(p + "b/", p + "b0", limit="3").more
    counted = store.range(p, p + "\xff", count_only=True)
    assert counted.count == 5 and not counted.kvs
    assert store.range(p + "a", keys_only=True).kvs[0].value == ""
    assert store.range(p + "b/2", ALL).count >= 3
    assert store.range(p + "nothing").count == 0


def test_reads_of_the_past(store, p):
    first = store.put(p + "a", "1")
    store.put(p + "a", "2")
    store.delete(p + "a")
    assert store.range(p + "a", revision=str(first)).values == {p + "a": "1"}
    assert store.range(p + "a", revision=str(first + 1)).values == {p + "a": "2"}
    assert store.range(p + "a").count == 0
    refused(11, "future revision", lambda: store.range(p, revision=str(store.revision() + 9)))


def test_transactions(store, p):
    first = store.put(p + "a", "1")
    compares = [compare(p + "a", "MOD", first), compare(p + "b", "MOD", 0)]
    operations = [put(p + "a", "2"), put(p + "b", "1"),
                  {"request_delete_range": {"key": encode(p + "none")}},
                  {"request_range": {"key": encode(p + "a")}}]
    other = [{"request_range": {"key": encode(p + "a")}}]
    done = store.txn(compares, operations, other)
    assert done["succeeded"]
    assert int(done["header"]["revision"]) == first + 1
    assert decode(done["responses"][3]["response_range"]["kvs"][0]["value"]) == "2"
    assert {item.modified for item in store.range(p, p + "\xff").kvs} == {first + 1}
    again = store.txn(compares, operations, other)
    assert not again.get("succeeded")
    assert int(again["header"]["revision"]) == first + 1, "only read"
    assert decode(again["responses"][0]["response_range"]["kvs"][0]["value"]) == "2"


def test_compares(store, p):
    revision = store.put(p + "a", "m")
    for wanted, made in (
            (True, compare(p + "a", "VERSION", 1)),
            (True, compare(p + "a", "CREATE", revision)),
            (True, compare(p + "a", "MOD", revision + 1, "LESS")),
            (False, compare(p + "a", "MOD", revision, "GREATER")),
            (True, compare(p + "a", "MOD", 0, "NOT_EQUAL")),
            (True, compare(p + "a", "LEASE", 0)),
            (True, compare(p + "a", "VALUE", value="m")),
            (True, compare(p + "a", "VALUE", value="l", result="GREATER")),
            (False, compare(p + "a", "VALUE", value="l", result="LESS")),
            (True, compare(p + "none", "VERSION", 0)),
            (False, compare(p + "none", "VALUE", value="", result="EQUAL"))):
        assert bool(store.txn([made], []).get("succeeded")) == wanted, made


def test_refused_transactions_change_nothing(store, p):
    start = store.revision()
    refused(3, "duplicate key", lambda: store.txn([], [put(p + "a", "1"), put(p + "a", "2")]))
    erase = {"request_delete_range": {"key": encode(p), "range_end": encode(p + "\xff")}}
    refused(3, "duplicate key", lambda: store.txn([], [erase, put(p + "a", "1")]))
    refused(5, "lease not found",
            lambda: store.txn([], [put(p + "a", "1"), put(p + "b", "1", 12345)]))
    refused(3, "too many operations",
            lambda: store.txn([], [put(p + str(i), "") for i in range(129)]))
    refused(3, "key is not provided", lambda: store.put("", "1"))
    refused(3, "key is not provided", lambda: store.range(""))
    assert store.revision() == start and store.range(p, p + "\xff").count == 0


def test_malformed_requests(store, p):
    for path, body in (("kv/range", "no json"), ("kv/range", '{"key":5}'),
                       ("kv/range", '{"key":"%%"}'), ("kv/range", '{"key":"YQ==","limit":"x"}'),
                       ("kv/txn", '{"compare":[{"target":"BOGUS"}]}')):
        status, _ = store.post(path, body)
        assert status == 400, (path, body, status)
    assert store.post("kv/nothing", "{}")[0] == 404


def test_names_in_both_spellings(store, p):
    store.put(p + "a", "1")
    body = {"key": encode(p), "rangeEnd": encode(p + "\xff"), "countOnly": True, "unknown": 1}
    assert int(store.call("kv/range", body)["count"]) == 1


def test_leases(store, p):
    lease, ttl = store.grant(60)
    assert lease != 0 and ttl == 60
    store.put(p + "a", "1", lease)
    store.put(p + "b", "1", lease)
    store.put(p + "b", "2")
    left, keys = store.time_to_live(lease)
    assert 55 <= left <= 60 and keys == [p + "a"]
    assert store.range(p + "a").kvs[0].lease == lease
    assert store.keep_alive(lease) == 60
    before = store.revision()
    store.call("lease/revoke", {"ID": str(lease)})
    assert store.range(p, p + "\xff").values == {p + "b": "2"}
    assert store.revision() == before + 1
    assert store.keep_alive(lease) == 0
    assert store.time_to_live(lease)[0] == -1
    refused(5, "lease not found", lambda: store.call("lease/revoke", {"ID": str(lease)}))
    refused(5, "lease not found", lambda: store.put(p + "c", "1", lease))


def test_leases_with_chosen_ids(store, p):
    chosen = store.revision() * 1000 + 77
    assert store.grant(60, chosen)[0] == chosen
    refused(9, "lease already exists", lambda: store.grant(60, chosen))
    store.call("kv/lease/revoke", {"ID": str(chosen)})
    refused(11, "too large", lambda: store.grant(10 ** 11))


def test_leases_run_out(store, p):
    begin = time.monotonic()
    lease, ttl = store.grant(2)
    store.put(p + "a", "1", lease)
    store.put(p + "b", "1", lease)
    watch = store.watch(p, p + "\xff")
    events = watch.events(2, seconds=ttl + 10)
    assert time.monotonic() - begin >= ttl, "ended before its time"
    assert [event[0] for event in events] == ["DELETE", "DELETE"]
    assert events[0][3] == events[1][3], "all keys of a lease go at one revision"
    watch.close()


def test_watch_from_now(store, p):
    watch = store.watch(p, p + "\xff")
    created = watch.messages(lambda messages: len(messages) >= 1)[0]
    assert created["created"]
    first = store.put(p + "a", "1")
    store.put("elsewhere" + p, "1")
    store.delete(p + "a")
    assert watch.events(2) == [("PUT", p + "a", "1", first), ("DELETE", p + "a", "", first + 2)]
    watch.close()


def test_watch_from_the_past_and_the_future(store, p):
    first = store.put(p + "a", "1")
    store.put(p + "b", "1")
    watch = store.watch(p, p + "\xff", first)
    later = store.watch(p, p + "\xff", first + 2)
    store.put(p + "c", "1")
    assert [event[1] for event in watch.events(3)] == [p + "a", p + "b", p + "c"]
    assert [event[1] for event in later.events(1)] == [p + "c"]
    for each in (watch, later):
        each.close()


def test_watch_brings_a_revision_in_one_message(store, p):
    watch = store.watch(p, p + "\xff")
    watch.messages(lambda messages: len(messages) >= 1)
    for _ in range(20):
        store.txn([], [put(p + str(i), "x" * 100) for i in range(50)])
    watch.events(1000)
    seen = set()
    for message in watch.messages(lambda messages: True):
        revisions = {int(event["kv"]["mod_revision"]) for event in message.get("events", [])}
        assert not revisions & seen, "a revision was split"
        seen |= revisions
    assert len(seen) == 20
    watch.close()


def test_compaction(store, p):
    first = store.put(p + "a", "1")
    store.put(p + "a", "2")
    last = store.put(p + "b", "1")
    store.call("kv/compaction", {"revision": str(last)})
    refused(11, "compacted", lambda: store.range(p + "a", revision=str(first)))
    refused(11, "compacted", lambda: store.call("kv/compaction", {"revision": str(first)}))
    refused(11, "future", lambda: store.call("kv/compaction", {"revision": str(last + 1000)}))
    assert store.range(p + "a", revision=str(last)).values == {p + "a": "2"}
    watch = store.watch(p, p + "\xff", first)
    messages = watch.messages(lambda messages: any(m.get("canceled") for m in messages))
    canceled = [message for message in messages if message.get("canceled")][0]
    assert int(canceled["compact_revision"]) == last
    assert not any(message.get("events") for message in messages)
    watch.close()
    alive = store.watch(p, p + "\xff", last + 1)
    store.put(p + "c", "1")
    assert alive.events(1)[0][1] == p + "c"
    alive.close()


def test_status(store, p):
    status = store.call("maintenance/status", {})
    assert int(status["header"]["cluster_id"]) > 0 and int(status["header"]["member_id"]) > 0
    assert int(status["header"]["raft_term"]) > 0 and status["version"]


def test_authentication_is_off(store, p):
    refused(9, "authentication is not enabled",
            lambda: store.call("auth/authenticate", {"name": "root", "password": "x"}))


def tests():
    return [(name[5:], function) for name, function in sorted(globals().items())
            if name.startswith("test_")]
