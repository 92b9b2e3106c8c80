insert into notification_mark (viewer, position) values ('ada', 1);
insert into notification_read (viewer, position) values ('ada', 2);
insert into delivery (id, position, destination, organization, rule, number, channel, word, release, status, open, attempts, next_at, created_at, updated_at, code, answer, body)
values ('msg_1', 1, 'account/loud#0', '', 'loud', 0, 'slack', 'release.failed', 1, 'delivered', 0, 1, 0, 1767600000000000, 1767600000000000, 200, 'ok', '{}');
insert into outlet (destination, organization, rule, failing_since, failures, disabled_at, reason)
values ('account/loud#0', '', 'loud', null, 0, null, '');
insert into sealed (id, organization, name, version, live, key_id, body, at, by)
values ('row-1', 'payments', 'TOKEN', 1, 1, 'k1', 'AAAA', 1767600000000000, 'user:ada');
