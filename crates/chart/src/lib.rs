//! How is a machine written? The chart model, its readers, its checks, and the behaviour that runs it.
//!
//! It refuses to know the world: no clock, I/O, thread, randomness or hash order.

pub mod expression;
pub mod value;
