/*
 * Returns domains that do not identify an employer: public mail providers, and networks where
 * companies have pages. A common address or link there does not make two contacts or companies
 * similar. Called where rows are compared; no index depends on it.
 */
create or replace function crm_private.shared_domains()
returns text[]
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return string_to_array(
    '126.com 139.com 163.com aim.com alice.it aol.com aol.de arcor.de att.net bellsouth.net '
    'bigpond.com bluewin.ch btinternet.com chello.at comcast.net cox.net daum.net duck.com '
    'earthlink.net email.com email.cz fastmail.com fastmail.fm free.fr freemail.hu freenet.de '
    'gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hanmail.net hey.com '
    'home.nl hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it icloud.com '
    'inbox.lv inbox.ru interia.pl juno.com kpnmail.nl laposte.net libero.it list.ru live.co.uk '
    'live.com live.de live.fr live.nl mac.com mail.com mail.de mail.ru me.com msn.com naver.com '
    'o2.pl online.de onet.pl optonline.net orange.fr outlook.com outlook.de outlook.es outlook.fr '
    'posteo.de proton.me protonmail.com protonmail.ch qq.com rediffmail.com rocketmail.com '
    'rogers.com sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com sky.com t-online.de telenet.be '
    'terra.com.br tiscali.it tuta.com tutanota.com ukr.net uol.com.br verizon.net virgilio.it '
    'virginmedia.com vodafone.de wanadoo.fr web.de wp.pl xtra.co.nz yahoo.ca yahoo.co.in '
    'yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.au yahoo.com.br yahoo.de yahoo.es yahoo.fr '
    'yahoo.in yahoo.it yandex.com yandex.ru yeah.net ymail.com zoho.com '
    'crunchbase.com facebook.com github.com gitlab.com google.com instagram.com linkedin.com '
    'medium.com pinterest.com t.me tiktok.com twitter.com vimeo.com wa.me wikipedia.org x.com '
    'xing.com youtu.be youtube.com',
    ' '
  );
end
$$;

comment on function crm_private.shared_domains() is
  'Returns the domains of public mail providers and networks, which identify no company.';

revoke all on function crm_private.shared_domains() from public;
grant execute on function crm_private.shared_domains() to crm_reader;
