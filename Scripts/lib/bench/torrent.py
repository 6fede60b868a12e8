#!/usr/bin/env python3
"""One libtorrent peer, tuned for this: TCP only, no search for peers, many slots, deep queues.

usage: torrent.py ADDRESS TORRENT FOLDER seed|fetch PEER...

Says `ready` when it listens; a line from outside starts it. A fetching peer then prints one line of JSON when every
piece is hashed and the file is synced. Of fifteen settings that were tried the best are used: small pieces (the
torrent's own), 20 slots, 200 outstanding requests.
"""

import json
import os
import sys
import time

import libtorrent

PORT = 6881


def session(address):
    return libtorrent.session({
        "listen_interfaces": f"{address}:{PORT}",
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_incoming_utp": False, "enable_outgoing_utp": False,
        "in_enc_policy": 2, "out_enc_policy": 2,
        "allow_multiple_connections_per_ip": True,
        "unchoke_slots_limit": 20, "max_out_request_queue": 200, "request_queue_time": 3,
        "max_allowed_in_request_queue": 2000, "mixed_mode_algorithm": 0, "connection_speed": 200,
        "suggest_mode": 0, "smooth_connects": False, "close_redundant_connections": False,
        "alert_mask": libtorrent.alert.category_t.status_notification | libtorrent.alert.category_t.storage_notification})


def start(own, torrent, folder, seeds):
    wanted = libtorrent.add_torrent_params()
    wanted.ti = libtorrent.torrent_info(torrent)
    wanted.save_path = folder
    wanted.flags &= ~(libtorrent.torrent_flags.auto_managed | libtorrent.torrent_flags.paused)
    if seeds:
        wanted.flags |= libtorrent.torrent_flags.seed_mode
    return own.add_torrent(wanted)


def await_alert(own, kind):
    while True:
        own.wait_for_alert(1000)
        for alert in own.pop_alerts():
            if isinstance(alert, kind):
                return


def main():
    address, torrent, folder, role = sys.argv[1:5]
    own = session(address)
    handle = start(own, torrent, folder, True) if role == "seed" else None
    while own.listen_port() == 0:
        time.sleep(0.05)
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.monotonic()
    if role == "fetch":
        handle = start(own, torrent, folder, False)
        for peer in sys.argv[5:]:
            handle.connect_peer((peer, PORT))
        await_alert(own, libtorrent.torrent_finished_alert)
        handle.flush_cache()
        await_alert(own, libtorrent.cache_flushed_alert)
        file = os.open(os.path.join(folder, handle.torrent_file().files().file_path(0)), os.O_RDONLY)
        os.fsync(file)
        print(json.dumps({"begin": begin, "end": time.monotonic(), "status": 200, "missing": 0}), flush=True)
    status = handle.status()
    line = sys.stdin.readline()
    if line.strip() == "sent":
        print(json.dumps({"payload": handle.status().total_payload_upload}), flush=True)
        sys.stdin.readline()


def make(source, path, piece_bytes):
    """Writes the torrent of one file."""
    files = libtorrent.file_storage()
    libtorrent.add_files(files, source)
    torrent = libtorrent.create_torrent(files, piece_bytes, libtorrent.create_torrent.v1_only)
    libtorrent.set_piece_hashes(torrent, os.path.dirname(source))
    with open(path, "wb") as file:
        file.write(libtorrent.bencode(torrent.generate()))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
