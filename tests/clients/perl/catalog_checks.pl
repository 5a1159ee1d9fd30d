# DBD::Pg: what DBI's catalog methods ask of pg_catalog. Read by checks.pl.

use strict;
use warnings;
use DBI qw(:sql_types);
use Checks;

sub rows {
    my ($sth) = @_;
    return $sth ? $sth->fetchall_arrayref({}) : [];
}

check('dbdpg_table_info', sub {
    my $dbh = connected();
    my $found = rows($dbh->table_info(undef, 'public', 'nation', undef));
    equal(scalar @$found, 1, 'tables called nation');
    equal([@{$found->[0]}{qw(TABLE_SCHEM TABLE_NAME TABLE_TYPE)}], ['public', 'nation', 'TABLE']);
    my %names = map { $_->{TABLE_NAME} => 1 } @{rows($dbh->table_info('', '%', '%', 'TABLE'))};
    equal($names{$_}, 1, $_) for qw(lineitem orders region);
    equal([map { $_->{TABLE_NAME} } @{rows($dbh->table_info(undef, 'public', 'part%', 'TABLE'))}],
        ['part', 'partsupp']);
    equal(scalar(@{rows($dbh->table_info(undef, undef, 'pg_class', 'SYSTEM TABLE'))}), 1);
});

# The three special cases of table_info: all catalogs, all schemas, all types.
check('dbdpg_table_info_lists', sub {
    my $dbh = connected();
    my ($database) = $dbh->selectrow_array('SELECT current_database()');
    my $catalogs = rows($dbh->table_info('%', '', ''));
    equal([map { $_->{TABLE_CAT} } @$catalogs], [$database], 'catalogs');
    my %schemas = map { $_->{TABLE_SCHEM} => 1 } @{rows($dbh->table_info('', '%', ''))};
    equal([@schemas{qw(public pg_catalog information_schema)}], [1, 1, 1], 'schemas');
    my %types = map { $_->{TABLE_TYPE} => 1 } @{rows($dbh->table_info('', '', '', '%'))};
    equal([@types{qw(TABLE VIEW)}, $types{'SYSTEM TABLE'}], [1, 1, 1], 'types');
});

check('dbdpg_tables', sub {
    my @tables = connected()->tables(undef, 'public', undef, 'TABLE', {pg_noprefix => 1});
    my %tables = map { $_ => 1 } @tables;
    equal($tables{$_}, 1, $_) for qw(lineitem nation orders);
});

check('dbdpg_column_info', sub {
    my $found = rows(connected()->column_info(undef, 'public', 'orders', undef));
    equal([map { "$_->{ORDINAL_POSITION} $_->{COLUMN_NAME} $_->{TYPE_NAME}" } @$found[0 .. 4]],
        ['1 o_orderkey bigint', '2 o_custkey bigint', '3 o_orderstatus text',
        '4 o_totalprice numeric', '5 o_orderdate date']);
    my $price = $found->[3];
    equal([@{$price}{qw(NULLABLE IS_NULLABLE COLUMN_DEF pg_type)}],
        [1, 'YES', undef, 'numeric(15,2)']);
    equal([$found->[0]{DATA_TYPE}, $found->[4]{DATA_TYPE}], [SQL_BIGINT, SQL_TYPE_DATE]);
    my $some = rows(connected()->column_info(undef, 'public', 'nation', 'n_n%'));
    equal([map { $_->{COLUMN_NAME} } @$some], ['n_nationkey', 'n_name'], 'pattern');
});

check('dbdpg_primary_key_info', sub {
    my $dbh = connected();
    equal(rows($dbh->primary_key_info(undef, 'public', 'nation')), [], 'a table without');
    equal([$dbh->primary_key(undef, 'public', 'nation')], [], 'primary_key');
    equal([$dbh->primary_key(undef, 'pg_catalog', 'pg_class')], ['oid'], 'pg_class');
});

check('dbdpg_foreign_key_info', sub {
    my $dbh = connected();
    my $from = $dbh->foreign_key_info(undef, undef, undef, undef, 'public', 'nation');
    equal(rows($from), [], 'of nation');
    my $to = $dbh->foreign_key_info(undef, 'public', 'region', undef, undef, undef);
    equal(rows($to), [], 'to region');
});

check('dbdpg_statistics_info', sub {
    my $dbh = connected();
    my $found = rows($dbh->statistics_info(undef, 'public', 'nation', 0, 0));
    equal([map { [@{$_}{qw(TABLE_SCHEM TABLE_NAME TYPE)}] } @$found],
        [['public', 'nation', 'table']]);
    my $unique = rows($dbh->statistics_info(undef, 'pg_catalog', 'pg_class', 1, 1));
    my ($by_oid) = grep { $_->{INDEX_NAME} eq 'pg_class_oid_index' } @$unique;
    equal([@{$by_oid}{qw(NON_UNIQUE TYPE ORDINAL_POSITION COLUMN_NAME)}], [0, 'btree', 1, 'oid']);
});

check('dbdpg_type_info', sub {
    my $dbh = connected();
    my @types = $dbh->type_info(SQL_INTEGER);
    equal($types[0]{TYPE_NAME}, 'int4');
    equal($dbh->quote("a'b"), "'a''b'");
    equal($dbh->quote_identifier('public', 'Nation'), '"public"."Nation"');
});

check('dbdpg_data_sources', sub {
    my ($database) = connected()->selectrow_array('SELECT current_database()');
    my %parts = parts();
    my @sources = DBI->data_sources('Pg', join ';', map { "$_=$parts{$_}" } sort keys %parts);
    die "no $database in @sources\n" unless grep { /^dbi:Pg:dbname=$database;/ } @sources;
});

1;
