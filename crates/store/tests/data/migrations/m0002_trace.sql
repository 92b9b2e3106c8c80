-- Rows as the second schema wrote them: a deployment, its words, and an approval that has ended.

insert into deployment (
    position,
    release,
    path,
    organization,
    service,
    environment,
    at,
    by,
    body
) values (
    1,
    1,
    'ship/checkout',
    '',
    'checkout',
    'production',
    1795251600000000,
    'system',
    '{"attempt":1,"service":"checkout","environment":"production","commits":["4f2a91bb"]}'
);

insert into deployed (
    environment,
    service,
    organization,
    position
) values (
    'production',
    'checkout',
    '',
    1
);

insert into trace (
    kind,
    term,
    release,
    deployment,
    source,
    value,
    organization,
    at
) values (
    'commit',
    '4f2a91bb',
    1,
    1,
    'deployment',
    '4f2a91bb',
    '',
    1795251600000000
);

insert into approval_wait (
    release,
    position,
    asked_at,
    ended_at
) values (
    1,
    0,
    1795251600000000,
    1795255200000000
);
