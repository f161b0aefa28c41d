#!/usr/bin/env python3
"""door.py PORT CERTIFICATE KEY USER PASSWORD UPSTREAM|FOLDER - HTTPS with basic authentication, as a company puts it before
a Connect worker (UPSTREAM, http://…: passed on) or a schema registry (FOLDER: GET /schemas/ids/7 gives its file 7).
CERTIFICATE "-": plain HTTP without authentication."""
import base64
import http.server
import os
import ssl
import sys
import urllib.error
import urllib.request

port, certificate, key, user, password, behind = sys.argv[1:7]
expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="door"')
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if certificate != "-" and self.headers.get("Authorization") != expected:
            self.answer(401, b"{}")
        elif behind.startswith("http"):
            request = urllib.request.Request(behind + self.path, data=body or None, method=self.command,
                                             headers={"Content-Type": "application/json", "Accept": "application/json"})
            try:
                with urllib.request.urlopen(request) as response:
                    self.answer(response.status, response.read())
            except urllib.error.HTTPError as error:
                self.answer(error.code, error.read())
        else:
            path = os.path.join(behind, os.path.basename(self.path))
            if os.path.exists(path):
                with open(path, "rb") as file:
                    self.answer(200, file.read())
            else:
                self.answer(404, b'{"error_code":40403}')

    do_GET = do_PUT = do_POST = do_DELETE = handle_any


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Door)
if certificate != "-":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
