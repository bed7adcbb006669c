"""Cuts the power of a process that ran with preload.cc: undoes what it had not synced.

    loss = cut_power(journal_folder, data_folder, random)

Everything that no later sync covered is undone, the newest first. Then, for every file, each sector
of what was lost may have reached the disk all the same: `random` decides, because a disk writes in
whatever order it likes. Names behave as on a file system with a journal: the oldest lost changes of
names may have survived, but never a later one without the earlier.
"""

import collections
import os
import struct
from pathlib import Path

SECTOR = 512
_WRITE, _TRUNCATE, _SYNC, _SYNC_ALL, _CREATE, _RENAME, _REMOVE, _MAKE, _REMOVE_FOLDER = range(1, 10)
_CONTENT = (_WRITE, _TRUNCATE)

Entry = collections.namedtuple("Entry", "kind sequence inode position size texts")
# What the power cut took: changes undone, bytes of them that came back as torn sectors, files.
Loss = collections.namedtuple("Loss", "changes bytes torn_bytes files")


def _entries(journal):
    """All whole entries of the journal; the last may have been cut by the kill."""
    data = journal.read_bytes()
    at = 0
    while at + 4 <= len(data):
        length, = struct.unpack_from("<I", data, at)
        body = data[at + 4:at + 4 + length]
        if len(body) < length:
            return
        kind, sequence, inode, position, size = struct.unpack_from("<BQQQQ", body)
        texts, inner = [], 33
        while inner < len(body):
            count, = struct.unpack_from("<I", body, inner)
            texts.append(body[inner + 4:inner + 4 + count])
            inner += 4 + count
        yield Entry(kind, sequence, inode, position, size, texts)
        at += 4 + length


def _not_synced(entries):
    """The changes that no sync covers, oldest first."""
    covered, all_covered = collections.defaultdict(int), 0
    for entry in entries:
        if entry.kind == _SYNC:
            covered[entry.inode] = max(covered[entry.inode], entry.position)
        elif entry.kind == _SYNC_ALL:
            all_covered = max(all_covered, entry.position)
    return [entry for entry in entries if entry.kind not in (_SYNC, _SYNC_ALL)
            and entry.sequence >= max(covered[entry.inode], all_covered)]


def _paths_by_inode(*folders):
    found = {}
    for folder in folders:
        for path in Path(folder).rglob("*"):
            if path.is_file():
                found[path.stat().st_ino] = path
    return found


def _undo_content(entry, path):
    with open(path, "r+b") as file:
        if entry.texts[0]:
            file.seek(entry.position)
            file.write(entry.texts[0])
        file.truncate(entry.size)


def _undo_name(entry, paths):
    names = [text.decode() for text in entry.texts]
    if entry.kind == _CREATE:
        os.unlink(names[0])
    elif entry.kind == _MAKE:
        os.rmdir(names[0])
    elif entry.kind == _REMOVE_FOLDER:
        os.mkdir(names[0])
    elif entry.kind == _REMOVE:
        os.link(names[1], names[0])
        paths[os.stat(names[0]).st_ino] = Path(names[0])
    elif entry.kind == _RENAME:
        os.rename(names[1], names[0])
        paths[os.stat(names[0]).st_ino] = Path(names[0])
        if names[2]:
            os.link(names[2], names[1])
            paths[os.stat(names[1]).st_ino] = Path(names[1])


def _sizes(durable, crashed):
    """Sizes the file may have: either one, or any border of sectors in between."""
    low, high = sorted((durable, crashed))
    return [durable, crashed, *range((low // SECTOR + 1) * SECTOR, high, SECTOR)]


def _tear(path, crashed, random):
    """Lets random sectors of what the file held at the crash reach it; returns their bytes."""
    durable = path.read_bytes()
    size = random.choice(_sizes(len(durable), len(crashed)))
    torn, kept = bytearray(durable[:size].ljust(size, b"\0")), 0
    for at in range(0, min(size, len(crashed)), SECTOR):
        piece = crashed[at:min(at + SECTOR, size)]
        if piece != durable[at:at + len(piece)] and random.random() < 0.5:
            torn[at:at + len(piece)] = piece
            kept += len(piece)
    path.write_bytes(torn)
    return kept


def cut_power(journal_folder, data_folder, random):
    """Leaves in `data_folder` what a power cut at the kill could have left. Returns the Loss."""
    journal = Path(journal_folder) / "journal"
    lost = _not_synced(list(_entries(journal)))
    names = [entry for entry in lost if entry.kind not in _CONTENT]
    surviving = {entry.sequence for entry in names[:random.randint(0, len(names))]}
    paths = _paths_by_inode(data_folder, journal_folder)
    content = [entry for entry in lost if entry.kind in _CONTENT and entry.inode in paths]
    crashed = {entry.inode: paths[entry.inode].read_bytes() for entry in content}
    size_now = sum(len(data) for data in crashed.values())
    for entry in reversed(lost):
        if entry.kind in _CONTENT:
            if entry.inode in paths:
                _undo_content(entry, paths[entry.inode])
        elif entry.sequence not in surviving:
            _undo_name(entry, paths)
    size_durable = sum(paths[inode].stat().st_size for inode in crashed if paths[inode].exists())
    torn = sum(_tear(paths[inode], data, random) for inode, data in crashed.items()
               if paths[inode].exists())
    for kept in Path(journal_folder).iterdir():
        kept.unlink()
    return Loss(len(lost), size_now - size_durable, torn, len(crashed))
