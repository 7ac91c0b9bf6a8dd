//! Sentence transformers for tests: a tiny one with random weights, which a test writes into a folder,
//! and a real one where this machine has it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Tokens of the tiny model's vocabulary beside the special ones.
pub const WORDS: [&str; 12] = [
    "how", "long", "may", "i", "return", "it", "refund", "coffee", "machine", "days", "##s", "the",
];

/// Its special tokens.
const SPECIAL: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

/// The sizes of the tiny model.
pub const HIDDEN: usize = 16;
/// Heads of its attention.
pub const HEADS: usize = 2;
/// Its layers.
pub const LAYERS: usize = 2;
/// The middle of a layer.
pub const WIDE: usize = 24;
/// Positions, and with them tokens of a text at most.
pub const POSITIONS: usize = 20;

/// The folder of a real sentence transformer (all-MiniLM-L6-v2), which `OKRA_TEST_TRANSFORMER` names;
/// tests that need one skip without it.
pub fn real() -> Option<PathBuf> {
    std::env::var_os("OKRA_TEST_TRANSFORMER").map(PathBuf::from)
}

/// A tensor of the tiny model: its name, shape and numbers.
pub type Tensor = (String, Vec<usize>, Vec<f32>);

/// Writes the tiny model, a BERT, into `folder`.
pub fn write(folder: &Path) {
    write_as(folder, "bert");
}

/// Writes the tiny model as another family (`xlm-roberta`).
pub fn write_as(folder: &Path, family: &str) {
    write_with(folder, family, 0);
}

/// Writes the tiny model with so many words that it is taken to read Latin script, and is asked about it.
pub fn write_for_latin(folder: &Path) {
    write_with(folder, "bert", 320);
}

/// With so many words more, which mean nothing.
fn write_with(folder: &Path, family: &str, more: usize) {
    std::fs::create_dir_all(folder.join("1_Pooling")).expect("a folder can be made");
    let mut config = config(family);
    config["vocab_size"] = json!(SPECIAL.len() + WORDS.len() + more);
    write_json(&folder.join("config.json"), &config);
    write_json(&folder.join("tokenizer.json"), &tokenizer(more));
    let pooling = json!({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false});
    write_json(&folder.join("1_Pooling/config.json"), &pooling);
    let weights = safetensors(&tensors_of(more));
    std::fs::write(folder.join("model.safetensors"), weights).expect("a file can be written");
}

/// Writes a JSON file.
pub fn write_json(path: &Path, value: &Value) {
    std::fs::write(path, value.to_string()).expect("a file can be written");
}

/// The tiny model's `config.json`.
pub fn config(family: &str) -> Value {
    json!({
        "model_type": family, "vocab_size": SPECIAL.len() + WORDS.len(), "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": WIDE,
        "hidden_act": "gelu", "max_position_embeddings": POSITIONS, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "pad_token_id": 1,
    })
}

fn tokenizer(more: usize) -> Value {
    let known = SPECIAL.iter().chain(&WORDS).map(|word| (*word).to_owned());
    let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap_or_default());
    let others = (0..more).map(|n| format!("zq{}{}", letter(n / 26), letter(n)));
    let all = known.chain(others).enumerate();
    let vocabulary: serde_json::Map<String, Value> =
        all.map(|(id, word)| (word, json!(id))).collect();
    let added = SPECIAL.iter().enumerate().map(|(id, word)| {
        json!({"id": id, "content": word, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true})
    });
    let part = |name: &str, id: usize| json!({"id": name, "ids": [id], "tokens": [name]});
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"[CLS]": part("[CLS]", 2), "[SEP]": part("[SEP]", 3)}},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary},
    })
}

/// The tiny model's tensors, the same in every run.
pub fn tensors() -> Vec<Tensor> {
    tensors_of(0)
}

fn tensors_of(more: usize) -> Vec<Tensor> {
    let mut state = 7_u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    let mut tensors = Vec::new();
    let mut add = |name: &str, shape: &[usize]| {
        let count = shape.iter().product();
        // Norms around 1, as trained ones are.
        let centre = if name.ends_with("LayerNorm.weight") {
            1.0
        } else {
            0.0
        };
        let values = (0..count).map(|_| centre + random()).collect();
        tensors.push((name.to_owned(), shape.to_vec(), values));
    };
    add(
        "embeddings.word_embeddings.weight",
        &[SPECIAL.len() + WORDS.len() + more, HIDDEN],
    );
    add(
        "embeddings.position_embeddings.weight",
        &[POSITIONS, HIDDEN],
    );
    add("embeddings.token_type_embeddings.weight", &[2, HIDDEN]);
    add("embeddings.LayerNorm.weight", &[HIDDEN]);
    add("embeddings.LayerNorm.bias", &[HIDDEN]);
    for layer in 0..LAYERS {
        for (name, shape) in [
            ("attention.self.query", [HIDDEN, HIDDEN]),
            ("attention.self.key", [HIDDEN, HIDDEN]),
            ("attention.self.value", [HIDDEN, HIDDEN]),
            ("attention.output.dense", [HIDDEN, HIDDEN]),
            ("intermediate.dense", [WIDE, HIDDEN]),
            ("output.dense", [HIDDEN, WIDE]),
        ] {
            add(&format!("encoder.layer.{layer}.{name}.weight"), &shape);
            add(&format!("encoder.layer.{layer}.{name}.bias"), &shape[..1]);
        }
        for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
            add(&format!("encoder.layer.{layer}.{name}.weight"), &[HIDDEN]);
            add(&format!("encoder.layer.{layer}.{name}.bias"), &[HIDDEN]);
        }
    }
    tensors
}

/// A safetensors file of these tensors.
pub fn safetensors(tensors: &[Tensor]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, shape, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let about = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]});
        header.insert(name.clone(), about);
    }
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}
