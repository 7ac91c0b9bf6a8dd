//! The forward pass against its definition, loading against broken folders, and the queue.

use std::collections::HashMap;
use std::path::Path;

use okra_testkit::transformer as tiny;
use serde_json::json;

use super::*;

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

fn model() -> (tempfile::TempDir, TransformerEmbedder) {
    let folder = tempfile::tempdir().unwrap();
    tiny::write(folder.path());
    let model = TransformerEmbedder::open(folder.path(), "tiny").unwrap();
    (folder, model)
}

fn refusal(folder: &Path) -> String {
    match TransformerEmbedder::open(folder, "tiny") {
        Ok(_) => panic!("the model was opened"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn assert_close(got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-4, "{got} is not {expected}");
    }
}

/// BERT as its paper defines it, in plain loops over single tokens.
struct Plain(HashMap<String, Vec<f32>>);

impl Plain {
    fn new() -> Self {
        let tensors = tiny::tensors().into_iter();
        Self(tensors.map(|(name, _, values)| (name, values)).collect())
    }

    fn row(&self, name: &str, at: usize) -> &[f32] {
        &self.0[name][at * tiny::HIDDEN..][..tiny::HIDDEN]
    }

    fn linear(&self, name: &str, x: &[f32]) -> Vec<f32> {
        let weight = &self.0[&format!("{name}.weight")];
        let bias = &self.0[&format!("{name}.bias")];
        let row = |(at, bias): (usize, &f32)| bias + dot(&weight[at * x.len()..][..x.len()], x);
        bias.iter().enumerate().map(row).collect()
    }

    fn norm(&self, name: &str, x: &[f32]) -> Vec<f32> {
        let count = x.len() as f32;
        let mean = x.iter().sum::<f32>() / count;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / count;
        let weight = &self.0[&format!("{name}.weight")];
        let bias = &self.0[&format!("{name}.bias")];
        let scaled = x.iter().map(|x| (x - mean) / (variance + 1e-12).sqrt());
        scaled
            .zip(weight.iter().zip(bias))
            .map(|(x, (w, b))| x * w + b)
            .collect()
    }

    fn embed(&self, tokens: &[usize], first_position: usize) -> Vec<f32> {
        let mut states: Vec<Vec<f32>> = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            let word = self.row("embeddings.word_embeddings.weight", *token);
            let place = self.row("embeddings.position_embeddings.weight", at + first_position);
            let kind = self.row("embeddings.token_type_embeddings.weight", 0);
            let sum = add(&add(word, place), kind);
            states.push(self.norm("embeddings.LayerNorm", &sum));
        }
        for layer in 0..tiny::LAYERS {
            states = self.layer(&format!("encoder.layer.{layer}"), &states);
        }
        let mut mean = vec![0.0; tiny::HIDDEN];
        for state in &states {
            mean = add(&mean, state);
        }
        let length = dot(&mean, &mean).sqrt();
        mean.iter().map(|x| x / length).collect()
    }

    fn layer(&self, name: &str, states: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let part = |what: &str| -> Vec<Vec<f32>> {
            let name = format!("{name}.attention.self.{what}");
            states
                .iter()
                .map(|state| self.linear(&name, state))
                .collect()
        };
        let (query, key, value) = (part("query"), part("key"), part("value"));
        let size = tiny::HIDDEN / tiny::HEADS;
        let mut next = Vec::new();
        for (at, state) in states.iter().enumerate() {
            let mut seen = Vec::new();
            for head in 0..tiny::HEADS {
                let of = |x: &[f32]| x[head * size..][..size].to_vec();
                let score =
                    |key: &Vec<f32>| (dot(&of(&query[at]), &of(key)) / (size as f32).sqrt()).exp();
                let scores: Vec<f32> = key.iter().map(score).collect();
                let total: f32 = scores.iter().sum();
                let mut mixed = vec![0.0; size];
                for (score, value) in scores.iter().zip(&value) {
                    let share: Vec<f32> = of(value).iter().map(|x| x * score / total).collect();
                    mixed = add(&mixed, &share);
                }
                seen.extend(mixed);
            }
            let merged = self.linear(&format!("{name}.attention.output.dense"), &seen);
            let state = self.norm(
                &format!("{name}.attention.output.LayerNorm"),
                &add(state, &merged),
            );
            let wide = self.linear(&format!("{name}.intermediate.dense"), &state);
            let wide: Vec<f32> = wide.into_iter().map(gelu).collect();
            let narrow = self.linear(&format!("{name}.output.dense"), &wide);
            next.push(self.norm(&format!("{name}.output.LayerNorm"), &add(&state, &narrow)));
        }
        next
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// x · Φ(x), by Simpson's rule: no error function is in the standard library.
fn gelu(x: f32) -> f32 {
    let (x, steps) = (f64::from(x), 400);
    let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let step = x / f64::from(steps);
    let inner =
        (1..steps).map(|at| (2.0 + 2.0 * f64::from(at % 2)) * density(step * f64::from(at)));
    let area = step / 3.0 * (density(0.0) + density(x) + inner.sum::<f64>());
    (x * (0.5 + area)) as f32
}

#[tokio::test]
async fn vectors_are_those_of_the_definition() {
    let (_folder, model) = model();
    assert_eq!(
        (model.space(), model.dimensions()),
        ("transformer:tiny", tiny::HIDDEN)
    );
    let asked = texts(["How long may I return it?", "Refunds"]);
    let vectors = model.embed(&asked, Purpose::Query).await.unwrap();
    // [CLS] how long may i return it [UNK] [SEP]; [CLS] refund ##s [SEP].
    let plain = Plain::new();
    assert_close(&vectors[0], &plain.embed(&[2, 4, 5, 6, 7, 8, 9, 1, 3], 0));
    assert_close(&vectors[1], &plain.embed(&[2, 10, 14, 3], 0));
}

#[tokio::test]
async fn models_after_roberta_count_positions_from_behind_the_padding() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write_as(folder.path(), "xlm-roberta");
    let model = TransformerEmbedder::open(folder.path(), "tiny").unwrap();
    let vectors = model
        .embed(&texts(["coffee"]), Purpose::Document)
        .await
        .unwrap();
    assert_close(&vectors[0], &Plain::new().embed(&[2, 11, 3], 2));
}

#[tokio::test]
async fn a_text_has_the_same_vector_in_any_company() {
    let (_folder, model) = model();
    let long = "how long may the coffee machine return it days ".repeat(9);
    let mut many = texts(["refund", "", "the coffee machine", "how long", " \n"]);
    many.push(long);
    let together = model.embed(&many, Purpose::Document).await.unwrap();
    for (text, vector) in many.iter().zip(&together) {
        let alone = model.embed(&texts([text]), Purpose::Query).await.unwrap();
        assert_close(&alone[0], vector);
        let blank = text.trim().is_empty();
        assert_eq!(vector.iter().all(|x| *x == 0.0), blank, "{text:?}");
    }
    assert!(model.embed(&[], Purpose::Query).await.unwrap().is_empty());
}

#[tokio::test]
async fn pooling_and_prompts_are_as_the_folder_says() {
    let (folder, _) = model();
    let path = folder.path();
    let first = json!({"pooling_mode_mean_tokens": false, "pooling_mode_cls_token": true});
    tiny::write_json(&path.join("1_Pooling/config.json"), &first);
    let prompts = json!({"prompts": {"query": "how ", "document": ""}});
    tiny::write_json(&path.join("config_sentence_transformers.json"), &prompts);
    let model = TransformerEmbedder::open(path, "tiny").unwrap();
    let asked = model.embed(&texts(["long"]), Purpose::Query).await.unwrap();
    let written = model
        .embed(&texts(["how long"]), Purpose::Document)
        .await
        .unwrap();
    assert_close(&asked[0], &written[0]);
    let mean = Plain::new().embed(&[2, 4, 5, 3], 0);
    assert!(
        dot(&mean, &asked[0]) < 0.999,
        "the first token, not the mean"
    );
}

#[test]
fn e5_models_get_the_prompts_they_were_trained_with() {
    let folder = tempfile::tempdir().unwrap();
    for (name, query) in [
        ("multilingual-e5-small", "query: "),
        ("multilingual-e5-large-instruct", ""),
        ("fe500", ""),
    ] {
        let path = folder.path().join(name);
        tiny::write(&path);
        assert_eq!(
            Description::read(&path).unwrap().prompts.query,
            query,
            "{name}"
        );
    }
}

#[test]
fn what_is_missing_or_broken_is_named() {
    let check = |spoil: &dyn Fn(&Path), expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        tiny::write(folder.path());
        spoil(folder.path());
        let said = refusal(folder.path());
        assert!(said.contains(expected), "{said} does not say {expected}");
    };
    let remove =
        |name: &'static str| move |folder: &Path| std::fs::remove_file(folder.join(name)).unwrap();
    check(&remove("config.json"), "config.json");
    check(&remove("tokenizer.json"), "tokenizer.json");
    check(&remove("model.safetensors"), "model.safetensors");
    let config = |key: &'static str, value: serde_json::Value| {
        move |folder: &Path| {
            let mut config = tiny::config("bert");
            config[key] = value.clone();
            tiny::write_json(&folder.join("config.json"), &config);
        }
    };
    check(
        &config("hidden_size", json!(4_000_000_000_u64)),
        "hidden_size is 4000000000",
    );
    check(
        &config("num_hidden_layers", json!(9)),
        "holds no encoder.layer.2",
    );
    check(
        &config("num_hidden_layers", json!(1_000_000)),
        "num_hidden_layers",
    );
    check(
        &config("hidden_size", json!(32)),
        "is of shape [16, 16], where config.json says",
    );
    check(&config("num_attention_heads", json!(3)), "no multiple");
    check(&config("vocab_size", json!(10)), "do not fit into the 10");
    check(&config("model_type", json!("gpt2")), "gpt2");
    check(&config("hidden_act", json!("silu")), "silu");
    check(&config("vocab_size", json!("many")), "config.json");
    let write = |name: &'static str, content: &'static [u8]| {
        move |folder: &Path| std::fs::write(folder.join(name), content).unwrap()
    };
    check(&write("tokenizer.json", b"{}"), "tokenizer.json");
    check(&write("config.json", b"\xff"), "config.json");
    check(&write("model.safetensors", b""), "breaks off");
    check(
        &write("model.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}"),
        "begin with a header",
    );
    check(
        &write("model.safetensors", b"\x02\0\0\0\0\0\0\0{}"),
        "word_embeddings",
    );
    check(
        &write(
            "modules.json",
            br#"[{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]"#,
        ),
        "Dense",
    );
    check(
        &write(
            "modules.json",
            br#"[{"type": "Pooling", "path": "../elsewhere"}]"#,
        ),
        "elsewhere",
    );
    check(
        &write(
            "1_Pooling/config.json",
            br#"{"pooling_mode_max_tokens": true}"#,
        ),
        "max_tokens",
    );
}

#[test]
fn weights_that_break_off_anywhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write(folder.path());
    let file = folder.path().join("model.safetensors");
    let whole = std::fs::read(&file).unwrap();
    for at in (0..whole.len()).step_by(997) {
        std::fs::write(&file, &whole[..at]).unwrap();
        let said = refusal(folder.path());
        assert!(said.contains("model.safetensors"), "{at}: {said}");
    }
    let mut longer = whole;
    longer.push(0);
    std::fs::write(&file, &longer).unwrap();
    assert!(refusal(folder.path()).contains("header says"));
}

#[tokio::test]
async fn numbers_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write(folder.path());
    let mut tensors = tiny::tensors();
    tensors[0].2[11 * tiny::HIDDEN] = f32::NAN;
    let weights = tiny::safetensors(&tensors);
    std::fs::write(folder.path().join("model.safetensors"), weights).unwrap();
    let model = TransformerEmbedder::open(folder.path(), "tiny").unwrap();
    let failed = model
        .embed(&texts(["coffee"]), Purpose::Query)
        .await
        .unwrap_err();
    assert!(failed.message.contains("not made of numbers"), "{failed}");
    // The thread goes on.
    model
        .embed(&texts(["refund"]), Purpose::Query)
        .await
        .unwrap();
}

#[tokio::test]
async fn callers_that_leave_do_not_stop_the_others() {
    let (_folder, model) = model();
    let many: Vec<String> = (0..500).map(|_| "the coffee machine".to_owned()).collect();
    for _ in 0..20 {
        let left = model.embed(&many, Purpose::Document);
        // Polled once, so that it lies in the queue, and dropped.
        let left = tokio::time::timeout(Duration::ZERO, left).await;
        assert!(left.is_err());
    }
    let vectors = model
        .embed(&texts(["refund"]), Purpose::Document)
        .await
        .unwrap();
    assert_close(&vectors[0], &Plain::new().embed(&[2, 10, 3], 0));
}

#[test]
fn a_vocabulary_tells_what_a_model_reads() {
    let english: Vec<String> = (0..400).map(|n| format!("word{n}")).collect();
    let korean: Vec<String> = (0..400).map(|n| format!("▁낱말{n}")).collect();
    let letters = ["가", "나", "б", "ש"];
    let of = |words: &[&[String]]| {
        let words = words
            .iter()
            .flat_map(|words| words.iter().map(String::as_str));
        Vocabulary::of(words.chain(letters))
    };
    let small = of(&[&english]);
    assert!(small.english_only);
    assert!(small.knows("How long may I return it?"));
    assert!(!small.knows("얼마나 오래 반품할 수 있나요?"));
    assert!(!small.knows("12:30"));
    let large = of(&[&english, &korean]);
    assert!(!large.english_only);
    assert!(large.knows("iPhone 배터리 교체"));
    let others = super::vocabulary::Vocabulary::of(
        english
            .iter()
            .map(String::as_str)
            .chain(["nicht", "auch", "avec", "está", "não", "sono"]),
    );
    assert!(!others.english_only);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_model_tells_what_means_the_same() {
    let Some(folder) = tiny::real() else {
        println!("skipped: OKRA_TEST_TRANSFORMER names no folder");
        return;
    };
    let model = TransformerEmbedder::open(&folder, "real").unwrap();
    assert!(!model.understands("얼마나 오래 반품할 수 있나요?"));
    let asked = texts([
        "How long may I return a machine?",
        "You can send a coffee maker back within 30 days.",
        "The museum is closed on Mondays.",
    ]);
    let started = std::time::Instant::now();
    let vectors = model.embed(&asked, Purpose::Document).await.unwrap();
    println!("three texts took {:?}", started.elapsed());
    let (close, far) = (dot(&vectors[0], &vectors[1]), dot(&vectors[0], &vectors[2]));
    println!("related {close}, unrelated {far}");
    assert!(close > 0.5 && far < 0.25, "{close}, {far}");
    let long = "The machine may be returned within thirty days of its delivery. ".repeat(20);
    let many: Vec<String> = (0..32).map(|_| long.clone()).collect();
    let started = std::time::Instant::now();
    model.embed(&many, Purpose::Document).await.unwrap();
    println!("32 texts of 256 tokens took {:?}", started.elapsed());
}
