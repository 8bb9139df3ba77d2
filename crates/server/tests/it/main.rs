//! A whole server in this process, over a store in memory or in a folder, spoken to over real connections.

mod bad_input;
mod every_rpc;
mod following;
mod gate;
mod hosting;
mod methods;
mod serving;
mod statemachine;
mod world;
