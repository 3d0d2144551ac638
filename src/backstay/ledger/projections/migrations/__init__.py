"""Alembic's folder: the environment and one file for each revision of the tables, oldest first.

A revision that was released is never edited; a change of the models needs a new one.
"""
