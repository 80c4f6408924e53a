"""The exam of the search: questions and messages that nothing here was made or tuned with.

Read by `xinqing eval handbook`; docs/exam.md says who wrote the texts and what they are worth.
"""
