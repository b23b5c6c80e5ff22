"""Tries to reach the world: argv is a TCP port, a UDP port and the path of a Unix socket, all listened on."""

import socket
import sys

from attempt import attempt

tcp, udp, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


def connect(family, kind, address):
    with socket.socket(family, kind) as end:
        end.connect(address)
        end.send(b"escaped")


def send_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.sendto(b"escaped", ("127.0.0.1", udp))


def listen():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as end:
        end.bind(("127.0.0.1", 0))
        end.listen()


def send_from_a_pair():
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ends[0].sendto(b"escaped", path)


attempt("tcp", lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", tcp)))
attempt("udp", send_udp)
attempt("tcp6", lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("::1", tcp)))
attempt("listen", listen)
attempt("unix", lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, path))
attempt("abstract", lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0portwright"))
attempt("datagram pair", send_from_a_pair)
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close())
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close())
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close())
