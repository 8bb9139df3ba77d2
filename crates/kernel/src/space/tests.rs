mod cases;
mod credit;
mod credit_properties;
mod patterns;
mod properties;
mod queries;
mod reference;
mod script;
