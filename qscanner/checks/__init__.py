"""One thing to look for per file. A check reports findings; it never knows actions or replies."""
