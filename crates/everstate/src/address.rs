//! Typed addresses: what is sent to one must be what its machine takes.
//!
//! It refuses to know who is there. Its one invariant: the kind in the address is the name of the behaviour.

use crate::behaviour::Behaviour;
use everstate_kernel::{Address as AnyAddress, AddressError};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// Where an instance of `B` is reached, by whoever may send it `M`: all that it takes, unless it says otherwise.
///
/// A message that the receiver does not take does not compile:
///
/// ```compile_fail,E0308
/// # use everstate::{Address, Behaviour, Context, Everstate};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Clone, Serialize, Deserialize)]
/// # struct Counter(u64);
/// # impl Behaviour for Counter {
/// #     const NAME: &str = "counters";
/// #     type Message = u64;
/// #     type Reply = u64;
/// #     type Error = String;
/// #     fn handle(&mut self, more: u64, _: &mut Context<Self>) -> Result<u64, String> { Ok(more) }
/// # }
/// fn greet(everstate: &Everstate, counter: &Address<Counter>) {
///     let _ = everstate.post(counter, "hello"); // a counter takes numbers
/// }
/// ```
///
/// With [`Address::only`] an address is handed out that takes a part of the messages. It is a promise between pieces of
/// one program: whoever parses the text of an address gets all of it again.
///
/// ```
/// # use everstate::{Address, Behaviour, Context, Everstate};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Clone, Serialize, Deserialize)]
/// # struct Account(u64);
/// #[derive(Serialize, Deserialize)]
/// enum Order { Pay(u64), Draw(u64) }
/// struct Payment(u64);
///
/// impl From<Payment> for Order {
///     fn from(payment: Payment) -> Order { Order::Pay(payment.0) }
/// }
/// # impl Behaviour for Account {
/// #     const NAME: &str = "accounts";
/// #     type Message = Order;
/// #     type Reply = ();
/// #     type Error = String;
/// #     fn handle(&mut self, _: Order, _: &mut Context<Self>) -> Result<(), String> { Ok(()) }
/// # }
///
/// fn shop(everstate: &Everstate, till: &Address<Account, Payment>) {
///     let _ = everstate.post(till, Payment(5)); // and no way to send it Order::Draw
/// }
/// # fn all(everstate: &Everstate, account: &Address<Account>) { shop(everstate, &account.only()) }
/// ```
pub struct Address<B: Behaviour, M = <B as Behaviour>::Message> {
    any: AnyAddress,
    takes: PhantomData<fn(M) -> B>,
}

impl<B: Behaviour> Address<B> {
    /// The instance of that id in the outermost space.
    pub fn new(id: &str) -> Result<Address<B>, AddressError> {
        AnyAddress::new(B::NAME, id).map(Address::of)
    }

    /// The instance of that id in the space at this path.
    pub fn inside(space: &str, id: &str) -> Result<Address<B>, AddressError> {
        AnyAddress::parse(&format!("{space}:{}/{id}", B::NAME)).map(Address::of)
    }

    /// The same with a type, if its kind is that of the behaviour.
    pub fn from_any(any: AnyAddress) -> Option<Address<B>> {
        (any.kind() == B::NAME).then(|| Address::of(any))
    }
}

impl<B: Behaviour, M> Address<B, M> {
    pub(crate) fn of(any: AnyAddress) -> Address<B, M> {
        Address { any, takes: PhantomData }
    }

    /// The same for whoever may send a part of the messages.
    pub fn only<N: Into<M> + Into<B::Message>>(&self) -> Address<B, N> {
        Address::of(self.any.clone())
    }

    /// The same without a type.
    pub fn any(&self) -> &AnyAddress {
        &self.any
    }

    /// Its name among the instances of its kind.
    pub fn id(&self) -> &str {
        self.any.id()
    }
}

impl<B: Behaviour, M> Clone for Address<B, M> {
    fn clone(&self) -> Self {
        Address::of(self.any.clone())
    }
}
impl<B: Behaviour, M> PartialEq for Address<B, M> {
    fn eq(&self, other: &Self) -> bool {
        self.any == other.any
    }
}
impl<B: Behaviour, M> Eq for Address<B, M> {}
impl<B: Behaviour, M> PartialOrd for Address<B, M> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<B: Behaviour, M> Ord for Address<B, M> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.any.cmp(&other.any)
    }
}
impl<B: Behaviour, M> fmt::Debug for Address<B, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.any, f)
    }
}
impl<B: Behaviour, M> fmt::Display for Address<B, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.any, f)
    }
}
impl<B: Behaviour, M> Serialize for Address<B, M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.any.serialize(serializer)
    }
}
impl<'de, B: Behaviour, M> Deserialize<'de> for Address<B, M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let any = AnyAddress::deserialize(deserializer)?;
        if any.kind() != B::NAME {
            return Err(D::Error::custom(format!("{any} is not the address of one of {:?}", B::NAME)));
        }
        Ok(Address::of(any))
    }
}
