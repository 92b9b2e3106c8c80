-- A group that has made one release, as the first version with groups wrote them.

insert into release_group (
    organization,
    name,
    body
) values (
    'shop',
    'weekly',
    '{"key":{"kind":"ReleaseGroup","organization":"shop","name":"weekly"},"revision":1,"schedule":"FREQ=WEEKLY;BYDAY=TH","last":{"number":1,"date":"2026-11-26","at":"2026-11-26T13:00:00Z"},"next":"2026-12-03T13:00:00Z","floor":"2026-11-21T08:00:00Z","taken":{"2026-11-26T13:00:00Z":1},"missed":0}'
);

update release
set
    group_name = 'weekly',
    planned_at = 1795698000000000
where id = 1;
