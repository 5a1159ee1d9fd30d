# DBD::Pg, Perl's driver over libpq. In: the server's URI, a query that computes for hours, and
# optionally names of checks. Out: for each check one line of JSON, {"check", "ok", "why"}.

use strict;
use warnings;
use utf8;
use POSIX ();
use FindBin;
use lib $FindBin::Bin;
use DBI qw(:sql_types);
use DBD::Pg qw(:pg_types :async);
use Checks;

do "$FindBin::Bin/catalog_checks.pl" or die "catalog_checks.pl: " . ($@ || $!);

check('dbdpg_connect', sub {
    my $dbh = connected();
    like($dbh->{pg_server_version}, qr/^1\d{5}$/);
    equal($dbh->get_info(17), 'PostgreSQL', 'SQL_DBMS_NAME');
    like($dbh->get_info(18), qr/^\d+\.\d+/);
    equal($dbh->{pg_standard_conforming_strings}, 'on');
    equal(one($dbh, 'SELECT pg_backend_pid()'), $dbh->{pg_pid}, 'process');
    $dbh->disconnect;
});

check('dbdpg_wrong_password', sub {
    my $dbh = eval { connected(password => 'wrong') };
    die "connected\n" if $dbh;
    like($@, qr/password authentication failed/);
    equal($DBI::state, '08006');
});

check('dbdpg_ping', sub {
    my $dbh = connected();
    equal([$dbh->ping, $dbh->pg_ping], [1, 1], 'idle');
    $dbh->begin_work;
    $dbh->do('SELECT 1'); # BEGIN is sent with the first statement
    equal($dbh->ping, 3, 'in a transaction');
    eval { $dbh->do('SELECT 1 / 0') };
    equal($dbh->ping, 4, 'in a failed transaction');
    $dbh->rollback;
    $dbh->disconnect;
    equal($dbh->ping, 0, 'disconnected');
});

check('dbdpg_values', sub {
    my $dbh = connected();
    my $sth = $dbh->prepare(q{SELECT true, 7::int2, 5000000000::int8, 0.1::float8,
        1.250::numeric(10,3), 'héllo'::text, 'ab'::char(4), '2024-02-29'::date,
        '2024-02-29 13:14:15.123456'::timestamp, '\x00ff10'::bytea, NULL::int4,
        '{"a": 1}'::json, '1 day 02:03:04'::interval});
    $sth->execute;
    equal($sth->fetchall_arrayref, [[1, 7, '5000000000', 0.1, '1.250', 'héllo', 'ab  ',
        '2024-02-29', '2024-02-29 13:14:15.123456', "\x00\xff\x10", undef, '{"a": 1}',
        '1 day 02:03:04']]);
});

check('dbdpg_arrays', sub {
    my $dbh = connected();
    my @row = $dbh->selectrow_array(
        q{SELECT '{1,2,NULL}'::int4[], ARRAY['a','b"c,d','']::text[], '{t,f}'::bool[],
        '{}'::int8[]});
    equal(\@row, [[1, 2, undef], ['a', 'b"c,d', ''], [1, 0], []]);
    equal(one($dbh, 'SELECT ?::int4[]', [4, undef, 6]), [4, undef, 6], 'parameter');
    equal(one($dbh, 'SELECT ?::text[]', ['x,y', 'q"r', undef]), ['x,y', 'q"r', undef]);
});

check('dbdpg_any_array', sub {
    my $names = connected()->selectcol_arrayref(
        'SELECT n_name FROM nation WHERE n_nationkey = ANY(?) ORDER BY 1', undef, [3, 1]);
    equal($names, ['ARGENTINA', 'CANADA']);
});

check('dbdpg_placeholders', sub {
    my $dbh = connected();
    equal(one($dbh, 'SELECT n_name FROM nation WHERE n_nationkey = ? AND n_regionkey = ?', 3, 1),
        'CANADA', '?');
    equal(one($dbh, 'SELECT n_name FROM nation WHERE n_nationkey = $1 OR n_nationkey = $1', 3),
        'CANADA', '$1');
    my $sth = $dbh->prepare('SELECT n_name FROM nation WHERE n_nationkey = :key');
    $sth->bind_param(':key', 3);
    $sth->execute;
    equal($sth->fetchall_arrayref, [['CANADA']], ':key');
    equal(one($dbh, "SELECT count(*) FROM orders WHERE o_orderdate > ? AND o_totalprice > ?"
        . " AND o_orderkey < 100", '1990-01-01', '0.5') > 0, 1, 'inferred types');
});

check('dbdpg_typed_parameters', sub {
    my $sth = connected()->prepare('SELECT ?, ?, ?, ?, ?, ?');
    $sth->bind_param(1, 7, SQL_INTEGER);
    $sth->bind_param(2, '12.50', SQL_NUMERIC);
    $sth->bind_param(3, "a'b\\", SQL_VARCHAR);
    $sth->bind_param(4, "\x00\x01\xff", {pg_type => PG_BYTEA});
    $sth->bind_param(5, '2024-02-29', SQL_TYPE_DATE);
    $sth->bind_param(6, undef, SQL_BIGINT);
    $sth->execute;
    equal($sth->fetchall_arrayref, [[7, '12.50', "a'b\\", "\x00\x01\xff", '2024-02-29', undef]]);
});

# pg_switch_prepared is how many executions it takes until a statement gets a name.
check('dbdpg_prepared', sub {
    my $dbh = connected();
    my $sth = $dbh->prepare('SELECT n_nationkey FROM nation WHERE n_nationkey = ?');
    for my $key (0 .. 19) {
        $sth->execute($key);
        equal($sth->fetchall_arrayref, [[$key]]);
    }
    like($sth->{pg_prepare_name}, qr/^dbdpg_/);
    equal(one($dbh, 'SELECT count(*) FROM pg_prepared_statements'), 1, 'prepared');
    undef $sth;
    equal(one($dbh, 'SELECT count(*) FROM pg_prepared_statements'), 0, 'after DEALLOCATE');
    my $now = $dbh->prepare('SELECT ?::int4 + 1', {pg_prepare_now => 1});
    $now->execute(1);
    equal($now->fetchall_arrayref, [[2]], 'prepared at once');
    my $direct = $dbh->prepare('SELECT ?::int4 + 1', {pg_server_prepare => 0});
    $direct->execute(1);
    equal($direct->fetchall_arrayref, [[2]], 'never prepared');
});

check('dbdpg_execute_array', sub {
    my $dbh = connected();
    my $sth = $dbh->prepare('SELECT ?::int4');
    my $count = $sth->execute_array({ArrayTupleStatus => \my @status}, [1, 2, 3]);
    equal([$count, scalar @status], [3, 3]);
});

check('dbdpg_result_metadata', sub {
    my $sth = connected()->prepare(
        'SELECT o_orderkey, o_totalprice AS price, o_orderdate, o_comment FROM orders LIMIT 1');
    $sth->execute;
    equal($sth->{NAME}, ['o_orderkey', 'price', 'o_orderdate', 'o_comment'], 'NAME');
    equal($sth->{pg_type}, ['int8', 'numeric', 'date', 'text'], 'pg_type');
    equal([$sth->{PRECISION}[1], $sth->{SCALE}[1]], [15, 2], 'PRECISION and SCALE');
    equal($sth->{NULLABLE}, [1, 1, 1, 1], 'NULLABLE'); # asks pg_attribute
});

check('dbdpg_fetches', sub {
    my $dbh = connected();
    my $by_key = $dbh->selectall_hashref('SELECT * FROM region', 'r_regionkey');
    equal($by_key->{1}{r_name}, 'AMERICA');
    my $rows = $dbh->selectall_arrayref('SELECT r_name FROM region ORDER BY 1', {Slice => {}});
    equal($rows->[0], {r_name => 'AFRICA'});
    my $sth = $dbh->prepare('SELECT o_orderkey, o_comment FROM orders LIMIT 50000');
    equal($sth->execute, 50000, 'rows');
    my $count = 0;
    $count++ while $sth->fetchrow_arrayref;
    equal($count, 50000);
});

check('dbdpg_errors', sub {
    my $dbh = connected();
    for (['SELECT * FROM does_not_exist', '42P01', 15], ['SELECT nope FROM nation', '42703', 8],
        ['SELEC 1', '42601', 1], ["SELECT 'x'::int4", '22P02', 8], ['SELECT 1 / 0', '22012', undef])
    {
        my ($sql, $sqlstate, $position) = @$_;
        refused($dbh, $sqlstate, sub { $dbh->do($sql) });
        equal($dbh->pg_error_field('state'), $sqlstate, $sql);
        equal($dbh->pg_error_field('severity'), 'ERROR', $sql);
        equal($dbh->pg_error_field('statement_position'), $position, $sql);
        my $sth = $dbh->prepare("$sql -- ?", {pg_placeholder_dollaronly => 1});
        refused($dbh, $sqlstate, sub { $sth->execute });
    }
    equal(one($dbh, 'SELECT 1'), 1);
});

check('dbdpg_transactions', sub {
    my $dbh = connected(AutoCommit => 0);
    equal(one($dbh, 'SELECT 1'), 1);
    refused($dbh, '22012', sub { $dbh->do('SELECT 1 / 0') });
    refused($dbh, '25P02', sub { $dbh->do('SELECT 1') });
    $dbh->rollback;
    equal(one($dbh, 'SELECT count(*) FROM nation'), 25);
    $dbh->commit;
    $dbh->{AutoCommit} = 1;
    $dbh->begin_work;
    $dbh->do('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY');
    equal(one($dbh, 'SHOW transaction_isolation'), 'serializable');
    $dbh->commit;
    $dbh->disconnect;
});

check('dbdpg_savepoints', sub {
    my $dbh = connected();
    $dbh->begin_work;
    $dbh->pg_savepoint('a');
    refused($dbh, '42P01', sub { $dbh->do('SELECT * FROM does_not_exist') });
    $dbh->pg_rollback_to('a');
    equal(one($dbh, 'SELECT 1'), 1);
    $dbh->pg_release('a');
    refused($dbh, '3B001', sub { $dbh->pg_rollback_to('a') });
    $dbh->rollback;
});

check('dbdpg_cursor', sub {
    my $dbh = connected(AutoCommit => 0);
    $dbh->do('DECLARE portions CURSOR FOR SELECT o_orderkey FROM orders ORDER BY 1 LIMIT 2500');
    my @sizes;
    while (1) {
        my $rows = $dbh->selectall_arrayref('FETCH 1000 FROM portions');
        last unless @$rows;
        push @sizes, scalar @$rows;
    }
    equal(\@sizes, [1000, 1000, 500]);
    $dbh->do('CLOSE portions');
    $dbh->rollback;
    $dbh->disconnect;
});

check('dbdpg_asynchronous', sub {
    my $dbh = connected();
    my $sth = $dbh->prepare('SELECT count(*) FROM lineitem', {pg_async => PG_ASYNC});
    $sth->execute;
    equal($sth->pg_result, 1, 'rows');
    like($sth->fetchall_arrayref->[0][0], qr/^\d+$/);
    $dbh->do(compute(), {pg_async => PG_ASYNC});
    equal($dbh->pg_ready, 0, 'ready');
    equal($dbh->pg_cancel, 1, 'cancelled');
    equal(one($dbh, 'SELECT 1'), 1);
});

check('dbdpg_statement_timeout', sub {
    my $dbh = connected(options => '-c statement_timeout=500');
    equal(one($dbh, 'SHOW statement_timeout'), '500ms');
    refused($dbh, '57014', sub { $dbh->do(compute()) });
    equal(one($dbh, 'SELECT 1'), 1);
});

check('dbdpg_copy_out', sub {
    my $dbh = connected();
    $dbh->do('COPY (SELECT n_nationkey, n_name FROM nation WHERE n_nationkey < 2 ORDER BY 1)'
        . ' TO STDOUT');
    my @lines;
    while ($dbh->pg_getcopydata(my $line) >= 0) {
        push @lines, $line;
    }
    equal(\@lines, ["0\tALGERIA\n", "1\tARGENTINA\n"]);
    equal(one($dbh, 'SELECT 1'), 1);
});

check('dbdpg_copy_in', sub {
    my $dbh = connected();
    $dbh->do('CREATE TEMP TABLE pairs (a int4, b text)');
    $dbh->do('COPY pairs FROM STDIN');
    $dbh->pg_putcopydata("$_\tline $_\n") for 1 .. 1000;
    equal($dbh->pg_putcopyend, 1);
    equal(one($dbh, 'SELECT count(*) FROM pairs'), 1000);
});

check('dbdpg_create_table_as', sub {
    my $dbh = connected();
    my $name = "made by $$";
    my $quoted = $dbh->quote_identifier($name);
    equal($dbh->do("CREATE TABLE $quoted AS SELECT n_name, n_nationkey AS k FROM nation"), 25);
    my $told = eval {
        my $columns = $dbh->column_info(undef, 'public', $name, undef)->fetchall_arrayref({});
        [map { $_->{COLUMN_NAME} } @$columns];
    };
    $dbh->do("DROP TABLE $quoted");
    equal($told, ['n_name', 'k']);
    refused($dbh, '42P01', sub { $dbh->do("SELECT * FROM $quoted") });
});

check('dbdpg_insert', sub {
    my $dbh = connected();
    $dbh->do('CREATE TEMP TABLE notes (id serial PRIMARY KEY, note bytea)');
    my $sth = $dbh->prepare('INSERT INTO notes (note) VALUES (?)');
    $sth->bind_param(1, undef, {pg_type => PG_BYTEA});
    equal($sth->execute("\x00$_"), 1, 'inserted') for 1 .. 3;
    equal($dbh->last_insert_id(undef, undef, 'notes', undef), 3, 'last_insert_id');
    equal($dbh->do('DELETE FROM notes WHERE id > 1'), 2, 'deleted');
});

check('dbdpg_notify', sub {
    my $dbh = connected();
    $dbh->do('LISTEN news');
    connected()->do("NOTIFY news, 'extra'");
    my $heard;
    one($dbh, 'SELECT 1') until $heard = $dbh->pg_notifies;
    equal([@$heard[0, 2]], ['news', 'extra']);
});

run(@ARGV);
