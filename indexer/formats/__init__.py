"""Vectors in and out: JSON lines, scipy, Anserini's JsonVectorCollection and CIFF. None of them uses pickle.

Each format is a module with an ``export_…`` function, which reports what was lost, and an ``import_…``
function, whose result ``build_from`` makes an index of.
"""
