"""Serve the page of `conflict_nlp.app`: on this computer, to this computer, with nothing else."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MOST_BYTES = 10 * 2**20
"""Size of the largest file that can be uploaded."""
_STYLE = Path(__file__).with_name("app.css")
# The browser, too, holds the page to its own address.
_POLICY = (
    b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'self'; "
    b"frame-ancestors 'self'"
)
# Gradio's routes for files take addresses behind both signs.
_ADDRESS = re.compile("[=/]https?:", re.IGNORECASE)


@contextmanager
def running(page: Any, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve a page of `build` in a thread, and give its address.

    Parameters
    ----------
    page
        What `build` returned.
    host
        Address to listen at; only the loopback address keeps other computers out.
    port
        0 takes one that is free.

    Raises
    ------
    OSError
        If the address is not this computer's, or the port is taken.
    """
    import gradio as gr
    import uvicorn
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    # No page elsewhere is to reach this one under a name of its own (DNS rebinding).
    hosts = ["*"] if host == "0.0.0.0" else [host, "127.0.0.1", "localhost"]
    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=hosts), Middleware(_Guard)]
    theme = gr.themes.Default(primary_hue="blue", font="system-ui", font_mono="monospace")
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        reason = f"cannot listen at {host}, port {port}: {error.strerror}"
        raise OSError(f"{reason}; choose others with --host and --port") from None
    with listener:
        application = gr.mount_gradio_app(
            *(Starlette(middleware=guards), page, "/"),
            theme=theme.set(
                body_text_color_subdued="*neutral_600",
                button_primary_background_fill="*primary_600",
                button_primary_background_fill_hover="*primary_700",
            ),
            css_paths=_STYLE,
            max_file_size=MOST_BYTES,
            footer_links=[],
            show_error=False,
            **dict.fromkeys(("run_history", "ssr_mode", "enable_monitoring", "mcp_server"), False),
        )
        # Else Gradio takes any path of this computer for an upload (its _check_allowed).
        page.has_launched = page.is_running = True
        config = uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://{host}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


class _Guard:
    """Refuses what pages elsewhere ask, and what Gradio would fetch from elsewhere."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", _POLICY)
                message["headers"] = [*message["headers"], policy]
            await send(message)

        headers = dict(scope.get("headers", ()))
        origin = headers.get(b"origin")
        is_own = origin is None or origin.partition(b"://")[2] == headers.get(b"host")
        if is_own and not _ADDRESS.search(scope.get("path", "")):
            await self._app(scope, receive, guarded)
        else:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body"})
