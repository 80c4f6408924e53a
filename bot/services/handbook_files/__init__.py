"""The handbook as one file: Markdown, Excel or PDF, out and in again; nothing is lost on the way.

`xinqing handbook export` and `import` call this. What comes in is compared with what is there, and
every row of the file is told what becomes of it, before anything is written.
"""
