mod cases;
mod patterns;
mod properties;
mod queries;
mod reference;
mod script;
