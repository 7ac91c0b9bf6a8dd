"""Answers rounds of questions by FAISS's flat eight-bit index on one thread: one JSON line for each line read."""

import json
import sys
import time

import faiss
import numpy

base, questions, dimensions, nearest = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
faiss.omp_set_num_threads(1)
vectors = numpy.fromfile(base, dtype="<f4").reshape(-1, dimensions)
asked = numpy.fromfile(questions, dtype="<f4").reshape(-1, dimensions)
index = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
index.train(vectors)
index.add(vectors)
del vectors

for _ in sys.stdin:
    begun = time.process_time()
    found = [index.search(asked[at : at + 1], nearest)[1][0].tolist() for at in range(len(asked))]
    used = time.process_time() - begun
    print(json.dumps({"cpu_ms": used / len(asked) * 1e3, "nearest": found}), flush=True)
