//! Values: JSON, bytes and order.
