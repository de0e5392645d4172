"""The page and the HTTP service: `pellucid serve`.

In this order: `limits`, `worker` (the process that touches pictures), `pool` (workers and their queue), `folder` (private, for
uploads), `uploads` (a request's body into it), `catalogue` (tasks, settings and models on offer), `answers` (responses), `metrics`,
`security`, `openapi`, `app` (the routes), `connections` (their number and deadlines), `server` (sockets and signals). The browser
gets `page/`.
"""
