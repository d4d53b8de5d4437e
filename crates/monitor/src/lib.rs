//! Viewers of a loop: a terminal view, a tree, a page, exports. They are other processes, which read the
//! recorder's file and share no code with the engine; what they do costs the program nothing but its recording.

#![forbid(unsafe_code)]

pub mod command;
pub mod export;
pub mod find;
pub mod graph;
pub mod history;
pub mod metrics;
pub mod timeline;
pub mod top;
pub mod tree;
pub mod warnings;
pub mod web;
pub mod words;
