"""Server-rendered pages: start page, staff login, the counselors' desk, the simulator."""
