"""The server of the activities: a page for each, a state for each session, and ``.fit`` beside them."""

import functools
import importlib
import logging
import signal
import socket
from collections.abc import Mapping
from typing import Any

from bokeh.application.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.web import RedirectHandler

from companion.live.fits import Fits
from companion.live.pages.shell import TITLES

FIRST = "lesson1"  # for those who leave the lesson out of the address
GONE = 5000  # milliseconds after which a session whose page is closed is forgotten
ORIGINS = ("localhost:*", "127.0.0.1:*")  # any port, since SSH may forward another one


def serve(sockets: list[socket.socket], choices: Mapping[str, Mapping[str, Any]]) -> None:
    """Serve the pages until Ctrl-C.

    Parameters
    ----------
    sockets : list of socket
        That listen; a browser may be waiting already.
    choices : mapping of str to mapping
        By lesson: with which settings its activity begins.
    """
    logging.getLogger("bokeh").setLevel(logging.ERROR)  # it warns of each page that is closed
    fits = Fits()
    pages = {
        f"/{lesson}": Application(
            FunctionHandler(functools.partial(open_page, lesson, fits, choices.get(lesson, {})))
        )
        for lesson in TITLES
    }
    application = BokehTornado(
        pages, extra_websocket_origins=ORIGINS, unused_session_lifetime_milliseconds=GONE,
        check_unused_sessions_milliseconds=GONE, websocket_max_message_size_bytes=1 << 20, use_index=False,
        extra_patterns=[("/", RedirectHandler, {"url": f"/{FIRST}", "permanent": False})],
    )  # fmt: skip
    http = HTTPServer(application)
    for one in sockets:
        one.setblocking(False)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each connection takes it over
    http.add_sockets(sockets)
    loop = IOLoop.current()
    server = BaseServer(loop, application, http)
    server.start()
    signal.signal(signal.SIGINT, lambda *_: loop.add_callback_from_signal(loop.stop))
    try:
        loop.start()
    finally:
        fits.close()


def open_page(lesson: str, fits: Fits, choices: Mapping[str, Any], document: Document) -> None:
    """Put an activity on the page of a new session."""
    importlib.import_module(f"companion.live.pages.{lesson}").open_page(document, fits, dict(choices))
