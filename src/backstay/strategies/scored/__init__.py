"""The scored trader, pure: an entry when a score passes its gate, then the position manager's bracket.

`policy` is what the operator configures, `entry` sizes and words the entry, `wanted` is the whole answer.
Scores are made elsewhere (`backstay.signals`) and come in as evidence; nothing here knows bars or indicators.
"""
