-- Rows as the first version wrote them: one of each kind, and a journal whose chain is intact.

insert into journal (
    position,
    at,
    by,
    release,
    path,
    type,
    body,
    previous,
    hash
) values (
    1,
    1795251600000000,
    'user:ada',
    1,
    null,
    'NoteAdded',
    '{"at":"2026-11-21T09:00:00Z","by":"user:ada","release":1,"type":"NoteAdded","text":"it''s ready"}',
    '',
    '1f17fe1e90a9b7757b0e95ecea20485f6c5c7f00e218735bc6c7c9e303084b05'
);

insert into journal (
    position,
    at,
    by,
    release,
    path,
    type,
    body,
    previous,
    hash
) values (
    2,
    1795251600000000,
    'system',
    1,
    'build/ask',
    'OwnersNotified',
    '{"at":"2026-11-21T09:00:00Z","by":"system","release":1,"path":"build/ask","type":"OwnersNotified","owners":["user:ada"],"message":"please approve"}',
    '1f17fe1e90a9b7757b0e95ecea20485f6c5c7f00e218735bc6c7c9e303084b05',
    'cdfcdc0f201a549675ec7b16cbe31c397486def2bbbc5b68c10f977199cf1391'
);

insert into journal_term (
    term,
    position
) values (
    'r:1',
    1
);

update progress set position = 1 where name = 'journal_term';

insert into meta (
    id,
    body
) values (
    1,
    '{"lastRelease":1,"lastToken":1}'
);

insert into resource (
    kind,
    organization,
    name,
    deleted,
    revision,
    body
) values (
    'Process',
    'shop',
    'train',
    0,
    1,
    '{"key":{"kind":"Process","organization":"shop","name":"train"},"revision":1,"deleted":false,"digest":"00","description":"","createdAt":"2026-11-21T09:00:00Z","updatedAt":"2026-11-21T09:00:00Z","updatedBy":"user:ada"}'
);

insert into revision (
    kind,
    organization,
    name,
    revision,
    body
) values (
    'Process',
    'shop',
    'train',
    1,
    '{"key":{"kind":"Process","organization":"shop","name":"train"},"revision":1,"digest":"00","description":"","spec":{"phases":[]},"at":"2026-11-21T09:00:00Z","by":"user:ada"}'
);

insert into token (
    id,
    digest,
    revoked,
    body
) values (
    1,
    '00',
    0,
    '{"token":1,"digest":"00","user":"ada","roles":["administrator"],"issuedAt":"2026-11-21T09:00:00Z","issuedBy":"system","description":"first","revoked":false}'
);

insert into release (
    id,
    organization,
    name,
    search,
    process,
    status,
    stage,
    type,
    labels,
    ended,
    archived,
    parent,
    created_at,
    start_at,
    begins_at,
    ended_at,
    needs_input,
    body
) values (
    1,
    'shop',
    'Week 47',
    ' 47 week week-47',
    'train',
    'OnHold',
    'OnHold',
    'standard',
    ' team=a ',
    0,
    0,
    null,
    1795251600000000,
    null,
    1795251600000000,
    null,
    1,
    '{"id":1,"version":1,"name":"Week 47","slug":"week-47","organization":"shop","process":{"kind":"Process","organization":"shop","name":"train"},"revision":1,"description":{},"releaseType":"standard","labels":{"team":"a"},"createdBy":"user:ada","createdAt":"2026-11-21T09:00:00Z","startMode":"auto","zone":"Europe/Berlin","archived":false,"life":{"kind":"underway"},"run":1,"counters":{"total":1,"needsInput":1}}'
);

insert into release_term (
    term,
    release
) values (
    'w:47',
    1
);

insert into release_term (
    term,
    release
) values (
    'w:week',
    1
);

insert into release_term (
    term,
    release
) values (
    'w:week-47',
    1
);

insert into release_term (
    term,
    release
) values (
    'l:team=a',
    1
);

insert into activity (
    release,
    position,
    path,
    status,
    needs,
    body
) values (
    1,
    0,
    'build/ask',
    'OnHold',
    ' user:ada ',
    '{"path":"build/ask","standing":{"kind":"pending"},"blockers":0,"needs":["user:ada"]}'
);

insert into notification (
    position,
    release,
    owners,
    message,
    at,
    path
) values (
    2,
    1,
    'user:ada',
    'please approve',
    1795251600000000,
    'build/ask'
);

insert into notification_owner (
    owner,
    position,
    release
) values (
    'user:ada',
    2,
    1
);

insert into answer (
    key,
    fingerprint,
    body,
    at
) values (
    'tok-0001/once',
    '00',
    '{}',
    1795251600000000
);
