"""A small application for the lab and the tests: GET /health answers 200 "ok", or 503 with a file's words while that file exists.

  python3 health.py PORT SICK_FILE [LISTEN_FILE]    LISTEN_FILE appears when it listens
"""
import http.server
import os
import sys


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            with open(sys.argv[2], encoding="utf-8") as file:
                status, words = 503, file.read()
        except OSError:
            status, words = 200, "ok\n"
        body = words.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Health)
if len(sys.argv) > 3:
    with open(sys.argv[3], "w", encoding="ascii") as ready:
        ready.write("%d\n" % os.getpid())
server.serve_forever()
