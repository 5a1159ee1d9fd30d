//! Who may do what with an object: PostgreSQL's access control lists. In: grants and revokes of
//! single privileges. Out: whether a set of roles holds one. Knows no names and no membership; the
//! rules are those of PostgreSQL's manual, chapter "Privileges".

use serde::{Deserialize, Serialize};

use super::Oid;

/// The grantee that every role is a member of.
pub const EVERYBODY: Oid = Oid(0);

/// One thing that may be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "SQL's own words")]
pub enum Privilege {
    Insert,
    Select,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
    Usage,
    Create,
    Connect,
    Temporary,
}

use Privilege::{
    Connect, Create, Delete, Insert, References, Select, Temporary, Trigger, Truncate, Update,
    Usage,
};

impl Privilege {
    /// All, in the order in which PostgreSQL prints them.
    pub const ALL: [Self; 11] = [
        Insert, Select, Update, Delete, Truncate, References, Trigger, Usage, Create, Connect,
        Temporary,
    ];

    /// SQL's word.
    pub const fn word(self) -> &'static str {
        match self {
            Insert => "INSERT",
            Select => "SELECT",
            Update => "UPDATE",
            Delete => "DELETE",
            Truncate => "TRUNCATE",
            References => "REFERENCES",
            Trigger => "TRIGGER",
            Usage => "USAGE",
            Create => "CREATE",
            Connect => "CONNECT",
            Temporary => "TEMPORARY",
        }
    }

    /// The letter in an `aclitem`.
    pub const fn letter(self) -> char {
        match self {
            Insert => 'a',
            Select => 'r',
            Update => 'w',
            Delete => 'd',
            Truncate => 'D',
            References => 'x',
            Trigger => 't',
            Usage => 'U',
            Create => 'C',
            Connect => 'c',
            Temporary => 'T',
        }
    }

    /// The privilege of that name, in any case.
    pub fn named(word: &str) -> Option<Self> {
        let word = if word.eq_ignore_ascii_case("temp") { "temporary" } else { word };
        Self::ALL.into_iter().find(|privilege| privilege.word().eq_ignore_ascii_case(word))
    }
}

/// What kind of object an [`Acl`] is of: it says which privileges there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A table or a view.
    Relation,
    /// A column of one.
    Column,
    /// A schema.
    Schema,
    /// The database.
    Database,
}

impl Object {
    /// The privileges such an object knows.
    pub const fn privileges(self) -> &'static [Privilege] {
        match self {
            Self::Relation => &[Insert, Select, Update, Delete, Truncate, References, Trigger],
            Self::Column => &[Insert, Select, Update, References],
            Self::Schema => &[Usage, Create],
            Self::Database => &[Create, Connect, Temporary],
        }
    }

    /// The noun in messages.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Relation => "relation",
            Self::Column => "column",
            Self::Schema => "schema",
            Self::Database => "database",
        }
    }
}

/// What one role granted another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclItem {
    /// Who has it; [`EVERYBODY`] for PUBLIC.
    pub grantee: Oid,
    /// Who gave it.
    pub grantor: Oid,
    /// What, as a set of bits by the place in [`Privilege::ALL`].
    privileges: u16,
    /// Which of it may be given on.
    grantable: u16,
}

const fn bit(privilege: Privilege) -> u16 {
    1 << privilege as u16
}

impl AclItem {
    /// The privileges, each with whether it may be given on, in PostgreSQL's order.
    pub fn privileges(&self) -> impl Iterator<Item = (Privilege, bool)> + '_ {
        let held = |p: &Privilege| self.privileges & bit(*p) != 0;
        Privilege::ALL.into_iter().filter(held).map(|p| (p, self.grantable & bit(p) != 0))
    }

    /// As an `aclitem` prints it: `reader=r*w/owner`.
    pub fn text(&self, name_of: impl Fn(Oid) -> String) -> String {
        let grantee = if self.grantee == EVERYBODY { String::new() } else { name_of(self.grantee) };
        let letters: String = self
            .privileges()
            .map(|(p, grantable)| format!("{}{}", p.letter(), if grantable { "*" } else { "" }))
            .collect();
        format!("{grantee}={letters}/{}", name_of(self.grantor))
    }
}

/// An access control list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acl(Vec<AclItem>);

impl Acl {
    /// What a relation has when nothing was granted: all for its owner.
    pub fn of_relation(owner: Oid) -> Self {
        Self::owned(owner, Object::Relation)
    }

    /// What a schema has when nothing was granted: all for its owner.
    pub fn of_schema(owner: Oid) -> Self {
        Self::owned(owner, Object::Schema)
    }

    /// All that the kind of object knows, for its owner.
    pub fn owned(owner: Oid, object: Object) -> Self {
        let mut acl = Self::default();
        for privilege in object.privileges() {
            acl.grant(owner, owner, *privilege, false);
        }
        acl
    }

    /// The items, the owner's first.
    pub fn items(&self) -> &[AclItem] {
        &self.0
    }

    /// Whether nobody holds anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives a privilege.
    pub fn grant(&mut self, grantor: Oid, grantee: Oid, privilege: Privilege, on: bool) {
        let item = match self.place(grantor, grantee) {
            Some(place) => &mut self.0[place],
            None => {
                self.0.push(AclItem { grantee, grantor, privileges: 0, grantable: 0 });
                let last = self.0.len() - 1;
                &mut self.0[last]
            }
        };
        item.privileges |= bit(privilege);
        if on {
            item.grantable |= bit(privilege);
        }
    }

    /// Takes a privilege back, or only the right to give it on.
    pub fn revoke(&mut self, grantor: Oid, grantee: Oid, privilege: Privilege, option_only: bool) {
        let Some(place) = self.place(grantor, grantee) else { return };
        let item = &mut self.0[place];
        item.grantable &= !bit(privilege);
        if !option_only {
            item.privileges &= !bit(privilege);
        }
        self.0.retain(|item| item.privileges != 0);
    }

    /// Who was given the privilege by that role.
    pub fn given_by(&self, grantor: Oid, privilege: Privilege) -> Vec<Oid> {
        let given = |item: &&AclItem| {
            item.grantor == grantor
                && item.grantee != grantor
                && item.privileges & bit(privilege) != 0
        };
        self.0.iter().filter(given).map(|item| item.grantee).collect()
    }

    /// Whether one of the roles that `is_held` accepts (or everybody) has the privilege.
    pub fn allows(&self, privilege: Privilege, is_held: impl Fn(Oid) -> bool) -> bool {
        self.0.iter().any(|item| {
            item.privileges & bit(privilege) != 0
                && (item.grantee == EVERYBODY || is_held(item.grantee))
        })
    }

    /// Whether one of the roles that `is_held` accepts may give the privilege on.
    pub fn allows_grant(&self, privilege: Privilege, is_held: impl Fn(Oid) -> bool) -> bool {
        self.0.iter().any(|item| item.grantable & bit(privilege) != 0 && is_held(item.grantee))
    }

    /// Whether a role is named.
    pub fn names(&self, role: Oid) -> bool {
        self.0.iter().any(|item| item.grantee == role || item.grantor == role)
    }

    /// Another owner: what the old one had or gave is the new one's.
    pub fn change_owner(&mut self, old: Oid, new: Oid) {
        let before = std::mem::take(&mut self.0);
        let changed = |role: Oid| if role == old { new } else { role };
        for item in before {
            let (grantor, grantee) = (changed(item.grantor), changed(item.grantee));
            for (privilege, on) in item.privileges() {
                self.grant(grantor, grantee, privilege, on);
            }
        }
    }

    /// A role that is dropped holds nothing.
    pub fn forget(&mut self, role: Oid) {
        self.0.retain(|item| item.grantee != role && item.grantor != role);
    }

    fn place(&self, grantor: Oid, grantee: Oid) -> Option<usize> {
        self.0.iter().position(|item| item.grantor == grantor && item.grantee == grantee)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_reads_as_in_postgres() {
        let (owner, reader) = (Oid(10), Oid(11));
        let mut acl = Acl::of_relation(owner);
        acl.grant(owner, reader, Select, true);
        acl.grant(owner, reader, Insert, false);
        acl.grant(owner, EVERYBODY, Select, false);
        let name = |oid: Oid| if oid == owner { "o".to_owned() } else { "r".to_owned() };
        let texts: Vec<_> = acl.items().iter().map(|item| item.text(name)).collect();
        assert_eq!(texts, ["o=arwdDxt/o", "r=ar*/o", "=r/o"]);
        acl.revoke(owner, reader, Select, true);
        assert_eq!(acl.items()[1].text(name), "r=ar/o");
        acl.revoke(owner, reader, Select, false);
        acl.revoke(owner, reader, Insert, false);
        assert!(!acl.names(reader));
        assert!(acl.allows(Select, |_| false), "everybody reads");
        assert!(!acl.allows(Insert, |role| role == reader));
    }
}
