"""The page and the HTTP service: `pellucid serve`.

In this order: `limits`, `worker` (the process that touches pictures), `pool` (workers and their queue), `uploads` (a request's body
into a private folder), `answers` (what goes back), `metrics`, `security`, `openapi`, `app` (the routes), `server` (sockets and
signals); `page/` is what the browser gets.
"""
