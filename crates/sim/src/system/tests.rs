//! System files: what is read, and what is told of bad ones.
