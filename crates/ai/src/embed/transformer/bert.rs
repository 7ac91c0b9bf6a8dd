//! The forward pass of BERT and of XLM-R, which differ in where they count positions from.
//!
//! Texts are packed: the rows of one matrix are the tokens of several texts, one after another. Products
//! with weights treat all rows alike; only attention has to know where each text begins. So there is
//! no padding to compute, and none that could leak into a vector.

use super::ModelError;
use super::folder::{Activation, Config, Description, Pooling};
use super::math::{add, gelu, gelu_tanh, multiply, normalize_rows, softmax};
use super::weights::Weights;

pub(super) struct Bert {
    hidden: usize,
    words: Vec<f32>,
    /// A row a position, with the type added that all tokens have: the first.
    places: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    pooling: Pooling,
}

struct Layer {
    /// Query, key and value side by side: one product instead of three.
    attention: Linear,
    merged: Linear,
    attention_norm: Norm,
    wide: Linear,
    narrow: Linear,
    norm: Norm,
    heads: usize,
    activation: Activation,
}

/// Weights of `out` rows, one for each number that comes out.
struct Linear {
    weight: Vec<f32>,
    bias: Vec<f32>,
    input: usize,
}

struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl Bert {
    pub(super) fn load(about: &Description, weights: &mut Weights) -> Result<Self, ModelError> {
        let config = &about.config;
        let hidden = config.hidden_size;
        let words = "embeddings.word_embeddings.weight";
        let words = weights.tensor(words, &[config.vocab_size, hidden])?;
        let positions = "embeddings.position_embeddings.weight";
        let positions = weights.tensor(positions, &[config.max_position_embeddings, hidden])?;
        let types = "embeddings.token_type_embeddings.weight";
        let types = weights.tensor(types, &[config.type_vocab_size, hidden])?;
        let mut places = positions[config.first_position() * hidden..].to_vec();
        places.truncate(about.max_tokens * hidden);
        for place in places.chunks_exact_mut(hidden) {
            add(place, &types[..hidden]);
        }
        let layers = (0..config.num_hidden_layers).map(|at| Layer::load(config, at, weights));
        Ok(Self {
            hidden,
            words,
            places,
            layers: layers.collect::<Result<_, _>>()?,
            norm: Norm::load(config, "embeddings.LayerNorm", weights)?,
            pooling: about.pooling,
        })
    }

    /// The vectors of texts, each given by its tokens, of which it has at least one and at most as many
    /// as the description says; unscaled.
    pub(super) fn embed(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let hidden = self.hidden;
        let mut states =
            Vec::with_capacity(texts.iter().map(|text| text.len()).sum::<usize>() * hidden);
        for text in texts {
            for (token, place) in text.iter().zip(self.places.chunks_exact(hidden)) {
                let word = &self.words[*token as usize * hidden..][..hidden];
                states.extend(word.iter().zip(place).map(|(word, place)| word + place));
            }
        }
        self.norm.apply(&mut states);
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        for layer in &self.layers {
            layer.apply(&mut states, &lengths);
        }
        let mut rest = states.as_slice();
        let pooled = lengths.iter().map(|length| {
            let (text, others) = rest.split_at(length * hidden);
            rest = others;
            self.pool(text)
        });
        pooled.collect()
    }

    fn pool(&self, states: &[f32]) -> Vec<f32> {
        let mut pooled = states[..self.hidden].to_vec();
        if self.pooling == Pooling::Mean {
            let rows = states.chunks_exact(self.hidden);
            let count = rows.len() as f32;
            rows.skip(1).for_each(|row| add(&mut pooled, row));
            pooled.iter_mut().for_each(|x| *x /= count);
        }
        pooled
    }
}

impl Layer {
    fn load(config: &Config, at: usize, weights: &mut Weights) -> Result<Self, ModelError> {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let within = |name: &str| format!("encoder.layer.{at}.{name}");
        let mut attention = Linear {
            weight: Vec::new(),
            bias: Vec::new(),
            input: hidden,
        };
        for name in ["query", "key", "value"] {
            let name = within(&format!("attention.self.{name}"));
            let part = Linear::load(&name, [hidden, hidden], weights)?;
            attention.weight.extend(part.weight);
            attention.bias.extend(part.bias);
        }
        let merged = within("attention.output");
        Ok(Self {
            attention,
            merged: Linear::load(&format!("{merged}.dense"), [hidden, hidden], weights)?,
            attention_norm: Norm::load(config, &format!("{merged}.LayerNorm"), weights)?,
            wide: Linear::load(&within("intermediate.dense"), [wide, hidden], weights)?,
            narrow: Linear::load(&within("output.dense"), [hidden, wide], weights)?,
            norm: Norm::load(config, &within("output.LayerNorm"), weights)?,
            heads: config.num_attention_heads,
            activation: config.activation()?,
        })
    }

    fn apply(&self, states: &mut [f32], lengths: &[usize]) {
        let seen = self.attend(states, lengths);
        add(states, &self.merged.apply(&seen));
        self.attention_norm.apply(states);
        let mut wide = self.wide.apply(states);
        match self.activation {
            Activation::Gelu => wide.iter_mut().for_each(|x| *x = gelu(*x)),
            Activation::GeluTanh => wide.iter_mut().for_each(|x| *x = gelu_tanh(*x)),
            Activation::Relu => wide.iter_mut().for_each(|x| *x = x.max(0.0)),
        }
        add(states, &self.narrow.apply(&wide));
        self.norm.apply(states);
    }

    /// What each token sees of its text's tokens, all heads side by side.
    fn attend(&self, states: &[f32], lengths: &[usize]) -> Vec<f32> {
        let hidden = self.attention.input;
        let size = hidden / self.heads;
        let scale = (size as f32).powf(-0.5);
        let all = self.attention.apply(states);
        let mut seen = vec![0.0; states.len()];
        let mut start = 0;
        for &length in lengths {
            let mut scores = vec![0.0; length * length];
            for head in 0..self.heads {
                // Query, key and value of one head are columns of `all`, whose rows are 3 × hidden.
                let at = start * 3 * hidden + head * size;
                let (query, key, value) =
                    (&all[at..], &all[at + hidden..], &all[at + 2 * hidden..]);
                let (sides, wide) = ([length, size, length], 3 * hidden);
                multiply(
                    sides,
                    (query, [wide, 1]),
                    (key, [1, wide]),
                    (&mut scores, length),
                );
                scores
                    .chunks_exact_mut(length)
                    .for_each(|row| softmax(row, scale));
                let seen = &mut seen[start * hidden + head * size..];
                let sides = [length, length, size];
                multiply(
                    sides,
                    (&scores, [length, 1]),
                    (value, [wide, 1]),
                    (seen, hidden),
                );
            }
            start += length;
        }
        seen
    }
}

impl Linear {
    fn load(name: &str, shape: [usize; 2], weights: &mut Weights) -> Result<Self, ModelError> {
        Ok(Self {
            weight: weights.tensor(&format!("{name}.weight"), &shape)?,
            bias: weights.tensor(&format!("{name}.bias"), &shape[..1])?,
            input: shape[1],
        })
    }

    fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let (count, output) = (rows.len() / self.input, self.bias.len());
        let mut product = vec![0.0; count * output];
        let weight = (self.weight.as_slice(), [1, self.input]);
        let sides = [count, self.input, output];
        multiply(
            sides,
            (rows, [self.input, 1]),
            weight,
            (&mut product, output),
        );
        for row in product.chunks_exact_mut(output) {
            add(row, &self.bias);
        }
        product
    }
}

impl Norm {
    fn load(config: &Config, name: &str, weights: &mut Weights) -> Result<Self, ModelError> {
        let shape = [config.hidden_size];
        Ok(Self {
            weight: weights.tensor(&format!("{name}.weight"), &shape)?,
            bias: weights.tensor(&format!("{name}.bias"), &shape)?,
            epsilon: config.layer_norm_eps as f32,
        })
    }

    fn apply(&self, rows: &mut [f32]) {
        normalize_rows(rows, &self.weight, &self.bias, self.epsilon);
    }
}
