-- Lines as the first version wrote them.

insert into log (
    release,
    path,
    attempt,
    number,
    at,
    stream,
    text
) values (
    1,
    'build/ask',
    1,
    1,
    1795251600000000,
    'stdout',
    'it''s ready'
);
