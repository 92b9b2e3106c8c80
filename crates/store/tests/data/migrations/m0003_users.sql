-- A user as the first version with users wrote one.

insert into user_account (
    name,
    body
) values (
    'ada',
    '{"name":"ada","displayName":"Ada","disabled":false,"createdAt":"2026-11-21T09:00:00Z","createdBy":"system","updatedAt":"2026-11-21T09:00:00Z","vouchedAt":"2026-11-21T09:00:00Z","vouchedBy":"system"}'
);
