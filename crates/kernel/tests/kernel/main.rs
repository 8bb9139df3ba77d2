//! The kernel, driven by its contract from outside: tables of single rules, and random societies of machines.
//! It refuses to know the kernel's insides; what is true is read from the records alone.

mod acts;
mod credit;
mod deferral;
mod disk;
mod faults;
mod ids;
mod lifecycle;
mod limits;
mod links;
mod links_bad_input;
mod properties;
mod repair;
mod restore;
mod retention;
mod script;
mod sessions;
mod societies;
mod spaces;
mod spaces_bad_input;
mod spaces_full;
mod supervision;
mod supervision_model;
mod supervisors;
mod tasks;
mod tasks_model;
mod timers;
mod turns;
mod vocabulary;
mod world;
