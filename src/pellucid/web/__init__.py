"""The page and the HTTP service: `pellucid serve`.

In this order: `limits`, `worker` (the process that touches pictures), `pool` (workers and their queue), `uploads` (a request's body
into a private folder), `catalogue` (tasks, settings and models on offer), `answers` (responses), `metrics`, `security`, `openapi`,
`app` (the routes), `server` (sockets and signals). The browser gets `page/`.
"""
