//! The product as its clients meet it: stories told over HTTP through the real router, on a
//! database of their own each, on SQLite and on Postgres.
//!
//! Nothing sleeps and nothing listens, except where a connection itself is the subject. Jobs run
//! when a story says [`support::TestApp::work`]; time passes with each request.

#[macro_use]
mod support;

mod access;
mod accounts;
mod archives;
mod avatars;
mod chat;
mod chatbots;
mod console;
mod conversations;
mod duplicates;
mod embedders;
mod evals;
mod events;
mod faults;
mod gaps;
mod handover;
mod hostile;
mod images;
mod inbox;
mod injection;
mod items;
mod knowledge;
mod mail;
mod mcp;
mod models;
mod openai;
mod openapi;
mod organization;
mod pairs;
mod people;
mod ratings;
mod refusing;
mod resuming;
mod roles;
mod secrets;
mod shapes;
mod sources;
mod streams;
mod tools;
mod transformers;
mod turns;
mod uploads;
mod visitors;
mod walkthrough;
mod webhooks;
