//! How well questions are told to be alike: on questions of our own, asserted, and on public sets where
//! `OKRA_RETRIEVAL_SETS` names their folder, printed.

use okra_domain::{MessageId, Timestamp};
use okra_search::eval::{RetrievalSet, sets_folder};
use proptest::prelude::*;

use super::*;

/// Questions that mean the same, line by line, with a bar between two.
const ENGLISH: &[&str] = &[
    "Do you ship abroad? | Can I have my order shipped abroad? | Is shipping abroad possible? | do you ship to other countries abroad",
    "Can I pay with PayPal? | Do you accept PayPal? | is paypal accepted as payment | Can I use PayPal to pay?",
    "How do I cancel my subscription? | I want to cancel my subscription | cancel subscription | Where can I cancel the subscription?",
    "Do you have a store in Seoul? | Is there a store in Seoul? | where is your Seoul store | Can I visit a store in Seoul?",
    "Is there a student discount? | Do students get a discount? | student discount? | do you offer discounts for students",
    "Can I change my delivery address? | How do I change the delivery address? | I need to change the address for delivery | change delivery address of my order",
    "What is the warranty on the tent? | How long is the tent's warranty? | Does the tent come with a warranty? | tent warranty",
    "Are your jackets vegan? | is the jacket vegan | Do you sell vegan jackets? | Are the jackets made of vegan material?",
    "Do you repair zips? | Can you repair a broken zip? | My zip is broken, do you repair it? | zip repair",
    "Can I get an invoice for my company? | I need a company invoice | How do I get an invoice with the company's name? | invoice for company",
];
const KOREAN: &[&str] = &[
    "해외 배송이 되나요? | 해외배송 가능한가요? | 해외로도 배송해 주시나요? | 해외 배송 문의드려요",
    "페이팔로 결제할 수 있나요? | 페이팔 결제 되나요? | 결제를 페이팔로 하고 싶어요 | 페이팔 결제 가능?",
    "구독을 해지하고 싶어요 | 구독 해지는 어떻게 하나요? | 구독 해지 방법 | 구독해지 하려면요?",
    "서울에 매장이 있나요? | 서울 매장은 어디예요? | 서울에도 매장 있어요? | 서울 매장 위치",
    "학생 할인이 있나요? | 학생은 할인되나요? | 학생할인 받을 수 있어요? | 학생 할인 되나요",
    "배송지를 변경하고 싶어요 | 배송지 변경은 어떻게 하나요? | 배송지 변경 가능한가요? | 주문한 배송지 변경",
    "텐트 보증 기간은 얼마나 되나요? | 텐트 보증기간 알려주세요 | 텐트의 보증 기간이 궁금해요 | 텐트는 보증 기간이 있나요?",
    "비건 재킷인가요? | 재킷이 비건인가요? | 비건 재킷 있나요? | 재킷은 비건 제품이에요?",
    "지퍼 수리 되나요? | 지퍼를 수리해 주시나요? | 지퍼가 고장났는데 수리 되나요? | 지퍼수리 문의",
    "세금계산서 발행되나요? | 세금 계산서를 발행해 주세요 | 세금계산서 발행 가능한가요? | 세금계산서는 어떻게 발행하나요?",
];

/// Questions of several gaps in turn, each with the number of what it means.
fn mixed(groups: &[&str]) -> Vec<(String, String)> {
    let split = groups.iter().enumerate().map(|(label, group)| {
        let questions = group.split(" | ").map(str::to_owned);
        questions
            .map(move |question| (label.to_string(), question))
            .collect()
    });
    let groups: Vec<Vec<(String, String)>> = split.collect();
    let longest = groups.iter().map(Vec::len).max().unwrap_or_default();
    let turns = (0..longest).flat_map(|at| groups.iter().filter_map(move |group| group.get(at)));
    turns.cloned().collect()
}

fn asked(questions: &[(String, String)]) -> Vec<Ungathered> {
    let question = |(_, text): &(String, String)| Ungathered {
        message_id: MessageId::new(),
        answer_id: MessageId::new(),
        question: text.clone(),
        looked_up: None,
        asked_at: Timestamp(0),
    };
    questions.iter().map(question).collect()
}

fn leader(gap: &NewGap) -> Leader {
    Leader {
        id: gap.id,
        number: 0,
        question: gap.question.clone(),
        vector: gap.vector.clone(),
    }
}

/// The places of the gaps of these questions, which come in batches of this size.
async fn gathered(
    eyes: Option<&(Embedding, Fusion)>,
    questions: &[(String, String)],
    at_once: usize,
) -> Vec<usize> {
    let (mut leaders, mut places): (Vec<Leader>, Vec<usize>) = (Vec::new(), Vec::new());
    for batch in asked(questions).chunks(at_once) {
        let points = points(eyes, &leaders, batch).await;
        let points = points.expect("the built-in embedder does not fail");
        let named = eyes.map(|(it, fusion)| (it.embedder.space().to_owned(), *fusion));
        let done = placed(named, &leaders, batch.to_vec(), points);
        leaders.extend(done.new.iter().map(leader));
        let place = |gap: &GapId| leaders.iter().position(|it| it.id == *gap);
        places.extend(done.placed.iter().filter_map(|(_, gap)| place(gap)));
    }
    places
}

/// Of pairs of questions in one gap, the share that mean the same; of pairs that mean the same, the share in one gap.
fn shares(questions: &[(String, String)], places: &[usize]) -> (f64, f64) {
    assert_eq!(questions.len(), places.len());
    let (mut right, mut together, mut same) = (0_u32, 0_u32, 0_u32);
    for a in 0..places.len() {
        for b in 0..a {
            let (alike, one) = (questions[a].0 == questions[b].0, places[a] == places[b]);
            right += u32::from(alike && one);
            together += u32::from(one);
            same += u32::from(alike);
        }
    }
    let share = |of: u32| f64::from(right) / f64::from(of.max(1));
    (share(together), share(same))
}

async fn built_in() -> (Embedding, Fusion) {
    let embedding = Embedding::built_in();
    let fusion = embedding.fusion().await.expect("it is measured already");
    (embedding, fusion)
}

async fn check(eyes: Option<&(Embedding, Fusion)>, groups: &[&str], least: (f64, f64)) {
    let questions = mixed(groups);
    let places = gathered(eyes, &questions, 500).await;
    let (precision, recall) = shares(&questions, &places);
    println!("precision {precision:.3}, recall {recall:.3}");
    if precision < least.0 || recall < least.1 {
        for ((label, question), place) in questions.iter().zip(&places) {
            println!("{label} in {place}: {question}");
        }
        panic!("precision {precision}, recall {recall}; at least {least:?}");
    }
}

#[tokio::test]
async fn english_questions_are_gathered_by_their_meaning() {
    check(Some(&built_in().await), ENGLISH, (0.95, 0.8)).await;
}

#[tokio::test]
async fn what_the_embedder_does_not_know_is_gathered_by_its_words() {
    check(Some(&built_in().await), KOREAN, (0.95, 0.75)).await;
    check(None, KOREAN, (0.95, 0.75)).await;
    check(None, ENGLISH, (0.9, 0.5)).await;
}

#[tokio::test]
async fn gaps_are_the_same_however_many_questions_come_at_once() {
    let eyes = built_in().await;
    let mut questions = mixed(ENGLISH);
    questions.extend(mixed(KOREAN));
    let all = gathered(Some(&eyes), &questions, 500).await;
    for at_once in [1, 7, 39] {
        assert_eq!(gathered(Some(&eyes), &questions, at_once).await, all);
    }
}

#[tokio::test]
async fn another_embedder_makes_the_vectors_that_it_needs() {
    let eyes = built_in().await;
    let batch = asked(&mixed(&[
        "Do you ship abroad? | Is shipping abroad possible?",
    ]));
    let (first, second) = batch.split_at(1);
    let by_words = points(None, &[], first).await.expect("points");
    let done = placed(None, &[], first.to_vec(), by_words);
    assert_eq!((done.new.len(), done.new[0].vector.as_ref()), (1, None));
    let leaders = [leader(&done.new[0])];
    let by_meaning = points(Some(&eyes), &leaders, second).await.expect("points");
    let named = Some((eyes.0.embedder.space().to_owned(), eyes.1));
    let done = placed(named, &leaders, second.to_vec(), by_meaning);
    assert_eq!(done.new, []);
    assert_eq!(done.vectors.len(), 1);
    assert_eq!(done.placed[0].1, leaders[0].id);
}

proptest! {
    #[test]
    fn any_questions_are_put_somewhere(texts in prop::collection::vec(".{1,40}", 1..20)) {
        let questions: Vec<_> = texts.iter().map(|it| (it.clone(), it.clone())).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let places = runtime.block_on(async {
            gathered(Some(&built_in().await), &questions, 6).await
        });
        prop_assert_eq!(places.len(), questions.len());
        // The same words always belong together.
        for (a, one) in texts.iter().enumerate() {
            for (b, other) in texts.iter().enumerate() {
                prop_assert!(one != other || places[a] == places[b]);
            }
        }
    }
}

#[test]
fn of_too_many_the_oldest_are_not_compared_with() {
    let mut groups = likeness::Groups::new(None);
    let first = Point::of_words("the very first question");
    groups.push(first.clone());
    assert_eq!(groups.of(&first), Some(0));
    for number in 1..=COMPARED {
        groups.push(Point::of_words(&format!("number{number}")));
    }
    assert_eq!(groups.of(&first), None);
    let last = Point::of_words(&format!("number{COMPARED}"));
    assert_eq!(groups.of(&last), Some(COMPARED));
}

/// Sets whose questions' ids begin with what they mean.
#[tokio::test]
async fn public_sets_are_gathered() {
    let Some(folder) = sets_folder() else {
        println!("skipped: OKRA_RETRIEVAL_SETS names no folder");
        return;
    };
    let eyes = built_in().await;
    for name in ["banking77_en", "parakqc_ko"] {
        let set = RetrievalSet::load(&folder.join(name)).expect("the set loads");
        let label = |id: &str| {
            id.split(['?', '#', '-'])
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let corpus = set.corpus.iter().map(|it| (label(&it.id), it.text.clone()));
        let asked = set
            .questions
            .iter()
            .map(|it| (label(&it.id), it.text.clone()));
        let questions: Vec<_> = corpus.chain(asked).collect();
        let places = gathered(Some(&eyes), &questions, 500).await;
        let (precision, recall) = shares(&questions, &places);
        let gaps = places.iter().max().map_or(0, |most| most + 1);
        let total = questions.len();
        println!("{name}: {total} in {gaps} gaps, precision {precision:.3}, recall {recall:.3}");
    }
}
