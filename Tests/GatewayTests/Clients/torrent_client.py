# libtorrent, by uTP alone, which is UDP. A seeder that anybody reaches; and a client that reaches it through a SOCKS5 proxy.
# usage: torrent_client.py seed FILE TORRENT, or: torrent_client.py get PROXY OUT TORRENT SEEDER
import os
import sys
import time
from urllib.parse import urlsplit

import libtorrent

settings = {
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False, "enable_incoming_tcp": False,
    "enable_outgoing_tcp": False, "allow_multiple_connections_per_ip": True, "alert_mask": libtorrent.alert.category_t.all_categories,
}


def seed(file, torrent):
    storage = libtorrent.file_storage()
    libtorrent.add_files(storage, file)
    draft = libtorrent.create_torrent(storage, 0, 64 * 1024)
    libtorrent.set_piece_hashes(draft, os.path.dirname(file))
    open(torrent, "wb").write(libtorrent.bencode(draft.generate()))
    session = libtorrent.session(dict(settings, listen_interfaces="0.0.0.0:6881"))
    handle = session.add_torrent({"ti": libtorrent.torrent_info(torrent), "save_path": os.path.dirname(file)})
    while not handle.status().is_seeding:
        time.sleep(0.05)
    print("ready", flush=True)
    while True:
        time.sleep(60)


def get(proxy, out, torrent, seeder):
    proxy = urlsplit(proxy)
    kind = libtorrent.proxy_type_t.socks5_pw if proxy.username else libtorrent.proxy_type_t.socks5
    session = libtorrent.session(dict(
        settings, proxy_type=int(kind), proxy_hostname=proxy.hostname, proxy_port=proxy.port,
        proxy_username=proxy.username or "", proxy_password=proxy.password or "", proxy_peer_connections=True,
        listen_interfaces="0.0.0.0:0"))
    handle = session.add_torrent({"ti": libtorrent.torrent_info(torrent), "save_path": out})
    end = time.monotonic() + 60
    while not handle.status().is_seeding:
        # Until the association stands there is no way to a peer.
        handle.connect_peer((seeder, 6881))
        if time.monotonic() > end:
            sys.exit("\n".join(str(alert) for alert in session.pop_alerts()))
        time.sleep(0.2)


{"seed": seed, "get": get}[sys.argv[1]](*sys.argv[2:])
