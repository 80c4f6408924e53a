"""The running side of `xinqing simulate`: a simulated day against the built house.

`house` makes the parts, `process` starts, stops and kills, `people` send what the plan says, `day`
plays it all in order of time.
"""
